"""A temporary folder and the processes in it, none of which outlives the caller."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mailauth.errors import CannotObserve
from mailauth.records import dataclass

_KEEPER = Path(__file__).with_name("keeper.py")
_REPLY_SECONDS = 30.0

# The caller's environment holds the caller's secrets, and settings that change what Dovecot does.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Start:
    """What to start: argv[0] is a full path; ``root`` and ``binds`` give it a root folder of its own."""

    argv: Sequence[str]
    output: Path
    stop: str = "SIGKILL"
    root: Path | None = None
    binds: Sequence[tuple[str, str]] = ()
    uid: int | None = None
    gid: int | None = None


class Household:
    """A folder and the processes started in it; ``close()``, or the end of this process, removes both.

    Raises CannotObserve when something cannot be started.
    """

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.gettempdir()).resolve() / f"mailauth-{name}-{secrets.token_hex(4)}"
        ours, theirs = socket.socketpair()
        ours.settimeout(_REPLY_SECONDS)
        self._lock = threading.Lock()
        self._channel = ours
        self._replies = ours.makefile("rb")
        with theirs:
            self._keeper = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_KEEPER)),
                    *(str(theirs.fileno()), str(os.getpid()), str(self.folder)),
                ],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
            )
        try:
            self._reply()
        except BaseException:
            self.close()
            raise

    def start(self, what: Start, environment: Mapping[str, str] = ENVIRONMENT) -> int:
        """Start a process; its process id."""
        reply = self._ask(
            do="start",
            argv=list(what.argv),
            output=str(what.output),
            stop=what.stop,
            root=str(what.root) if what.root else None,
            binds=[list(pair) for pair in what.binds],
            uid=what.uid,
            gid=what.gid,
            env=dict(environment),
        )
        return int(reply["pid"])

    def stop(self, pid: int) -> None:
        """Stop a process that start() started, and all that descends from it."""
        self._ask(do="stop", pid=pid)

    def status(self, pid: int) -> int | None:
        """Its exit status (negative: the signal), or None while it runs."""
        status: int | None = self._ask(do="status", pid=pid)["status"]
        return status

    def close(self) -> None:
        """End every process and remove the folder."""
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._replies.close()
        self._channel.close()
        self._keeper.wait()

    def _ask(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            try:
                self._channel.sendall(json.dumps(request).encode() + b"\n")
            except OSError as why:
                raise CannotObserve(f"The process that keeps {self.folder} is gone ({why}).") from why
            return self._reply()

    def _reply(self) -> dict[str, Any]:
        try:
            line = self._replies.readline()
        except OSError as why:
            raise CannotObserve(f"The process that keeps {self.folder} does not answer ({why}).") from why
        if not line:
            raise CannotObserve(
                f"The process that keeps {self.folder} is gone; is its parent a folder you may write?"
            )
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise CannotObserve(f"Cannot start a process for the lab: {reply['error']}.")
        return reply
