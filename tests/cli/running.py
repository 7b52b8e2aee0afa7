"""Run the command line as a person does, in a process of its own."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.conftest import missing

ROOT = Path(__file__).parent.parent.parent


ORDINARY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
_SECONDS = 180.0


def for_all_users() -> None:
    """Skip or fail in one sentence where an ordinary user cannot run mailauth out of this tree."""
    words = (*ORDINARY, sys.executable, "-m", "mailauth", "--version")
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        missing(
            f"an ordinary user cannot run mailauth in {ROOT}, nor its tests: {done.stderr.splitlines()[-1:]}"
        )


def mailauth(*words: str, feed: str | bytes = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """``python -m mailauth WORDS``; never raises, never inherits our environment but PATH.

    A fork of a process that has imported it, unless the environment may change what is imported, or how.
    """
    data = feed.encode() if isinstance(feed, str) else feed
    forker = _forker(os.getpid())
    if all(name.startswith("MAILAUTH_") for name in environment) and forker.free.acquire(blocking=False):
        try:
            done = forker.run(words, data, environment)
        finally:
            forker.free.release()
    else:
        done = subprocess.run(
            [sys.executable, "-m", "mailauth", *words],
            input=data,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            cwd=ROOT,
            env={**_ENVIRONMENT, **environment},
        )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class _Forker:
    """forking.py at work; it ends with us."""

    def __init__(self) -> None:
        self.free = threading.Lock()  # one at a time
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.cli.forking", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,  # of the kind that its forks have
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=ROOT,
                env=_ENVIRONMENT,
            )
        atexit.register(self._close)

    def run(
        self, words: tuple[str, ...], data: bytes, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        """As subprocess.run does it."""
        (stdin, feed), *out = os.pipe(), os.pipe(), os.pipe()
        request = json.dumps({"words": words, "environment": environment}).encode()
        given = [stdin, *(write for _, write in out)]
        socket.send_fds(self._channel, [request], given)
        for one in given:
            os.close(one)
        child, began = self._told(), time.monotonic()
        late = threading.Timer(_SECONDS, os.kill, (child, signal.SIGKILL))
        late.start()
        with ThreadPoolExecutor(2) as pool:
            said = [pool.submit(_read, read) for read, _ in out]
            with suppress(BrokenPipeError), os.fdopen(feed, "wb") as file:
                file.write(data)
        status = self._told()
        late.cancel()
        if status == -signal.SIGKILL and time.monotonic() > began + _SECONDS:
            raise subprocess.TimeoutExpired(words, _SECONDS)
        return subprocess.CompletedProcess(words, status, said[0].result(), said[1].result())

    def _told(self) -> int:
        said = self._channel.recv(64)
        assert said, "what forks has ended"
        return int(said)

    def _close(self) -> None:
        self._channel.close()
        self._process.communicate()


def _read(stream: int) -> bytes:
    with os.fdopen(stream, "rb") as file:
        return file.read()


@cache
def _forker(_us: int) -> _Forker:
    """Ours; a fork of us, which has another number, makes its own."""
    return _Forker()
