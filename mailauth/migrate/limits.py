"""How often reports may fail, of one user and in all; and which reports came before."""

import os
import time
from collections import OrderedDict
from dataclasses import field
from pathlib import Path

from mailauth.records import dataclass

_MARK_BYTES = 16
_USERS = 10_000  # remembered at once


@dataclass(slots=True)
class Bucket:
    """``most`` at once, and one more every ``seconds``."""

    most: int
    seconds: float
    _taken: float = 0.0
    _at: float = 0.0

    def empty(self) -> bool:
        now = time.monotonic()
        self._taken = max(0.0, self._taken - (now - self._at) / self.seconds)
        self._at = now
        return self._taken > self.most - 1

    def take(self) -> None:
        self._taken += not self.empty()


@dataclass(slots=True)
class Failures:
    """Forged reports are counted in all, since their names say nothing; passwords that are wrong, by user."""

    forged: Bucket = field(default_factory=lambda: Bucket(100, 1.0))
    _users: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def too_many(self, user: str) -> bool:
        of_user = self._users.get(user)
        return self.forged.empty() or (of_user is not None and of_user.empty())

    def add(self, user: str) -> None:
        """A report that Dovecot made, whose password does not match the user's row."""
        self._users.setdefault(user, Bucket(5, 600.0)).take()
        self._users.move_to_end(user)
        while len(self._users) > _USERS:
            self._users.popitem(last=False)


@dataclass(slots=True)
class Seen:
    """The marks of the last reports that were worked at, in memory and in a file that outlives a restart.

    A file that cannot be written costs what comes after a restart, and no migration.
    """

    path: Path
    most: int = 100_000
    _marks: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    _written: int = -1  # marks in the file; -1: it was not read yet

    def before(self, mark: bytes) -> bool:
        """Whether it came before; from now on it has."""
        if self._written < 0:
            self._read()
        if mark in self._marks:
            return True
        self._marks[mark] = None
        while len(self._marks) > self.most:
            self._marks.popitem(last=False)
        self._keep(mark)
        return False

    def _read(self) -> None:
        raw = b""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size // _MARK_BYTES - self.most) * _MARK_BYTES)
                raw = file.read(self.most * _MARK_BYTES)
        except OSError:
            pass  # there is none yet
        whole = range(0, len(raw) - _MARK_BYTES + 1, _MARK_BYTES)
        self._marks = OrderedDict.fromkeys(raw[at : at + _MARK_BYTES] for at in whole)
        self._written = 2 * self.most if len(raw) % _MARK_BYTES else len(self._marks)

    def _keep(self, mark: bytes) -> None:
        whole = self._written >= 2 * self.most
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_TRUNC if whole else os.O_APPEND)
        try:
            with os.fdopen(os.open(self.path, flags, 0o600), "wb") as file:
                file.write(b"".join(self._marks) if whole else mark)
        except OSError:
            self._written = 2 * self.most  # as a whole, the next time
            return
        self._written = len(self._marks) if whole else self._written + 1
