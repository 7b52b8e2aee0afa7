"""A CSV of users and known passwords, read twice: what contradicts itself is known before anything is done.

Between the two, keyed digests of names and passwords are kept, with a key that lives as long as this
process; they go into a database that has no name, and leave memory for a file only when they are many.
"""

import hashlib
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import field
from typing import BinaryIO

from mailauth.errors import Refused, UsageError
from mailauth.hashes import Password
from mailauth.hashes.csv_rows import AS_SEEN, CsvRow, Dialect, read_csv
from mailauth.migrate.list_encoding import SPOOL, as_utf8
from mailauth.migrate.listed_user import Checked
from mailauth.records import dataclass

_DIGEST = 16  # bytes

Named = Callable[[str], tuple[str, str]]
"""What the store calls a user of the list; and the character that Dovecot does not take, if any."""
Left = Callable[[Checked, int, str, str], None]
"""Called for lines without a user: outcome, how many, how a report names them, and why."""


@dataclass(frozen=True, slots=True)
class Known:
    """A user of the list.  The name may be anything, a password too where columns were swapped."""

    line: int
    user: str = field(repr=False)
    password: Password


@dataclass(slots=True)
class UserList:
    """A list that was read once.  ``lines``: those that are not blank, nor the first one with the names."""

    lines: int
    _file: BinaryIO
    _start: int
    _named: Named
    _seen: "_Seen"
    _dialect: Dialect = AS_SEEN

    def users(self) -> Iterator[Known]:
        """Those of whom the list says one thing, each once.  Raises Refused where it is another list now."""
        for row in self._rows():
            if row.password is None or _flaw(row, row.password):
                continue
            user, wrong = self._named(row.user)
            if wrong:
                continue
            first = self._seen.first(user, row.password)
            if first is None:
                raise Refused("the list was changed while it was read; stopped. Run it again.")
            if first == row.line:
                yield Known(row.line, user, row.password)

    def _rows(self) -> Iterator[CsvRow]:
        self._file.seek(self._start)
        return read_csv(self._file, self._dialect)

    def read(self, left: Left) -> None:
        """The first time.  Raises UsageError where there is nothing in it."""
        for row in self._rows():
            self.lines += 1
            flaw = row.flaw if row.password is None else _flaw(row, row.password)
            if row.password is None or flaw:
                left(Checked.MALFORMED, 1, f"line {row.line}", flaw)
                continue
            user, wrong = self._named(row.user)
            if wrong:
                left(Checked.NOT_TAKEN, 1, f"line {row.line}", "a character that auth_username_chars lacks")
                continue
            self._seen.add(user, row.password, row.line, left)
        if not self.lines:
            raise UsageError("the list is empty: a user and a password on each line.")


@contextmanager
def opened(
    file: BinaryIO,
    named: Named,
    left: Left,
    encoding: str | None = None,
    dialect: Dialect = AS_SEEN,
) -> Iterator[UserList]:
    """Read it for the first time; ``left`` is called for lines that are not used.  Raises UsageError."""
    with _twice(file) as given, as_utf8(given, encoding) as again, closing(_Seen()) as seen:
        found = UserList(0, again, again.tell(), named, seen, dialect)
        found.read(left)
        yield found


@contextmanager
def _twice(file: BinaryIO) -> Iterator[BinaryIO]:
    """What comes through a pipe is kept in memory, not in a file."""
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        yield file
        return
    with os.fdopen(os.memfd_create("mailauth-list", os.MFD_CLOEXEC), "w+b") as kept:
        while more := file.read(1024 * 1024):
            if kept.write(more) and kept.tell() > SPOOL:
                raise UsageError(
                    f"more than {SPOOL // 1024**2} MiB came through a pipe: give the list as a file."
                )
        kept.seek(0)
        yield kept


def _flaw(row: CsvRow, password: Password) -> str:
    """Why a user or a password cannot be one."""
    try:
        row.user.encode()
    except UnicodeEncodeError:
        return "the user is not UTF-8"
    if not row.user.isprintable() or not row.user:
        return "no user, or one with control characters"
    if not password.raw:
        return "the password is empty"
    return "the password holds a NUL byte" if b"\0" in password.raw else ""


class _Seen:
    """Which user was first on which line, and whether a later one contradicts it."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._link = sqlite3.connect("", isolation_level=None)  # without a name: gone when it is closed
        self._link.execute(
            "CREATE TABLE seen (user BLOB PRIMARY KEY, password BLOB, line INT, conflict INT DEFAULT 0)"
            " WITHOUT ROWID"
        )
        self._link.execute("BEGIN")

    def add(self, user: str, password: Password, line: int, left: Left) -> None:
        name, digest = self._digest(user.encode()), self._digest(password.raw)
        found = self._of(name)
        if found is None:
            self._link.execute(
                "INSERT INTO seen (user, password, line) VALUES (?, ?, ?)", (name, digest, line)
            )
            return
        before, first, conflict = found
        if conflict:
            left(Checked.CONFLICT, 1, f"line {line}, too", "")
        elif before == digest:
            left(Checked.REPEATED, 1, f"line {line} is line {first}", "")
        else:
            self._link.execute("UPDATE seen SET conflict = 1 WHERE user = ?", (name,))
            left(Checked.CONFLICT, 2, f"lines {first} and {line}", "")

    def first(self, user: str, password: Password) -> int | None:
        """The line that counts, 0 for none; None where the list held no such line."""
        found = self._of(self._digest(user.encode()))
        if found is None or (found[0] != self._digest(password.raw) and not found[2]):
            return None
        return 0 if found[2] else found[1]

    def _of(self, name: bytes) -> tuple[bytes, int, int] | None:
        found: tuple[bytes, int, int] | None = self._link.execute(
            "SELECT password, line, conflict FROM seen WHERE user = ?", (name,)
        ).fetchone()
        return found

    def _digest(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._key, digest_size=_DIGEST).digest()

    def close(self) -> None:
        self._link.close()
