"""A lab with users of many old schemes, and the on-login service beside it, as commands."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.listening.sockets import only_roots
from mailauth.migrate.rehash import Rehashed
from mailauth.migrate.tally import OutcomeCounts
from tests.cli.running import ROOT

OLD: tuple[tuple[str, dict[str, int | str]], ...] = (
    ("SHA512-CRYPT", {"rounds": 1000}),
    ("SHA256-CRYPT", {"rounds": 1000}),
    ("SSHA512", {}),
    ("SSHA", {}),
    ("BLF-CRYPT", {"cost": 4}),
    ("PBKDF2", {"rounds": 100}),
    ("PLAIN", {}),
    ("CRAM-MD5", {}),
)


def secret(number: int) -> bytes:
    return f"canary-{number:04}-x".encode()


def old_users(count: int) -> dict[str, str | None]:
    """``u0``...: one scheme after the other."""
    found: dict[str, str | None] = {}
    for number in range(count):
        scheme, options = OLD[number % len(OLD)]
        found[f"u{number}"] = generate(scheme, Password(secret(number)), user=f"u{number}", **options)
    return found


def held_port() -> socket.socket:
    """A port (root's, where we are root) that is nobody else's, also while the service is down.

    It is bound and not listened on: Linux gives it to no outgoing connection, refuses it to those who ask
    whether it is free, and lets a server have it that sets SO_REUSEADDR, as asyncio's do (socket(7)).
    """
    for port in random.sample(range(400, 1000) if os.geteuid() == 0 else range(20_000, 30_000), 600):
        with suppress(OSError), socket.socket() as alone:
            alone.bind(("127.0.0.1", port))  # not shared with another test's
            alone.close()
            held = socket.socket()
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", port))
            return held
    raise AssertionError("no port is free")


@dataclass
class OnLoginLab:
    """The lab, its state folder, and the service's process."""

    lab: Lab
    state: Path
    held: socket.socket = field(default_factory=held_port)
    service: subprocess.Popen[str] | None = None

    def mailauth(self, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.program(*words),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            cwd=ROOT,
        )
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    @property
    def port(self) -> int:
        return int(self.held.getsockname()[1])

    @property
    def accepting(self) -> tuple[str, ...]:
        return () if only_roots(self.port) else ("--accept-unprivileged-port",)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"MAILAUTH_STATE": str(self.state), "COVERAGE": ""}

    @property
    def at(self) -> tuple[str, str]:
        return ("--pid", str(self.lab.master_pid))

    @staticmethod
    def program(*words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "mailauth", "migrate", "on-login", *words)

    def enable(self, *words: str) -> None:
        small = words or ("--profile", "owasp-7")
        self.mailauth("enable", *self.at, "--port", str(self.port), "--apply", *small, *self.accepting)

    def start(
        self,
        *words: str,
        journal: TextIO | None = None,
        by: tuple[str, ...] = (),
        first: str = "listening",
    ) -> None:
        """``journal``: where what it says goes.  ``by``: what runs it.  ``first``: what it says first."""
        self.service = subprocess.Popen(
            [*by, *self.program("serve"), *words],
            stderr=journal or subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=ROOT,
        )
        if journal:
            self._until_it_listens()
            return
        assert self.service.stderr
        said = self.service.stderr.readline()
        assert first in said, said

    def _until_it_listens(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with socket.socket() as one:
                if not one.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.05)
        raise AssertionError("the service does not listen")

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> int:
        assert self.service
        self.service.send_signal(kind)
        ended = self.service.wait(60)
        if self.service.stderr:
            self.service.stderr.close()
        self.service = None
        return ended

    def totals(self) -> dict[Rehashed, int]:
        return OutcomeCounts(self.state / "on-login" / "tally.sqlite").totals()

    def close(self) -> None:
        if self.service:
            self.stop(signal.SIGKILL)
        self.held.close()

    def wait(self, outcome: Rehashed, count: int, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while self.totals()[outcome] < count:
            assert time.monotonic() < end, self.totals()
            time.sleep(0.05)


@pytest.fixture
def on_login(lab: Callable[..., Lab], tmp_path: Path) -> Iterator[Callable[..., OnLoginLab]]:
    """``on_login(version, store, users, ...)``: not enabled yet, and all ended with the test."""
    made: list[OnLoginLab] = []

    def make(version: str, store: str, users: dict[str, str | None], **more: object) -> OnLoginLab:
        one = lab(version, store, users, **more)
        one.__enter__()
        found = OnLoginLab(one, tmp_path / f"state{len(made)}")
        made.append(found)
        return found

    yield make
    for found in made:
        found.close()
        found.lab.__exit__(None, None, None)
