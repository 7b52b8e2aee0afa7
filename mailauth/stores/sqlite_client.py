"""Open SQLite's files, and why that fails, by SQLite's codes and errno.

Source: https://www.sqlite.org/rescode.html.
"""

import errno
import math
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from mailauth.dovecot import inroot
from mailauth.errors import CannotObserve
from mailauth.stores import sqlite_file
from mailauth.stores.database import TIMEOUT, Host
from mailauth.stores.refusal import Refusal, without_values
from mailauth.stores.sqlite_file import FDS
from mailauth.stores.store import Failing

_LONGEST = 16 * 1024 * 1024  # bytes of a value, or of a row
_MOST_SECONDS = 330.0  # of one statement of a change
_STEPS = 100_000  # of SQLite's machine, between two looks at the clock: some milliseconds


class _Bounded(sqlite3.Connection):
    """One for changes: a trigger of whose file it is may never end, and no signal is heard meanwhile."""

    _until = math.inf

    def bound(self) -> None:
        """No value without end; in a trigger no function but what SQLite calls innocuous."""
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        super().execute("PRAGMA trusted_schema = OFF")
        self.set_progress_handler(lambda: time.monotonic() > self._until, _STEPS)

    def execute(self, *words: Any) -> sqlite3.Cursor:
        """As of sqlite3, which raises OperationalError where it is interrupted."""
        self._until = time.monotonic() + _MOST_SECONDS
        return super().execute(*words)

    def executemany(self, *words: Any) -> sqlite3.Cursor:
        """The same, of all the rows together."""
        self._until = time.monotonic() + _MOST_SECONDS
        return super().executemany(*words)


def to_read(path: Path, *, timeout: float) -> sqlite3.Connection:
    """Nothing is made beside the file.  Raises what sqlite3 does, and OSError."""

    def mode(real: Path, head: bytes) -> str:
        # In write-ahead mode, and nobody has the log open: nothing is locked then, and opened as others
        # do, SQLite would make files beside it.  Source: https://www.sqlite.org/fileformat.html, "18".
        logged = head[18:19] == b"\x02" and not real.with_name(f"{real.name}-wal").exists()
        return "ro&immutable=1" if logged else "ro"

    link = _opened(path, mode, timeout=timeout)
    link.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    link.text_factory = bytes
    return link


def joined_names(link: sqlite3.Connection) -> None:
    """CONCAT() for our own statements, which SQLite has of itself from 3.44 on; never for Dovecot's query."""
    link.create_function("CONCAT", -1, lambda *parts: "".join(_text(part) for part in parts))


def _text(part: object) -> str:
    if isinstance(part, bytes):
        return part.decode("utf-8", "replace")
    return "" if part is None else str(part)


def to_write(host: Host, *, timeout: float = TIMEOUT) -> sqlite3.Connection:
    """For writing; the file must be there.  Transactions are begun by hand; one thread at a time."""
    path = Path(host.get("path", ""))
    try:
        link = to_change(path, timeout=timeout, check_same_thread=False)
    except (sqlite3.Error, ValueError, OSError) as why:
        raise refused(why, path) from None
    link.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    joined_names(link)
    return link


def to_change(path: Path, *, timeout: float, check_same_thread: bool = True) -> sqlite3.Connection:
    """For writing, transactions by hand; a statement has 330 s.  Raises what sqlite3 does, and OSError."""
    link = _opened(
        path,
        lambda _real, _head: "rw",
        timeout=timeout,
        isolation_level=None,
        check_same_thread=check_same_thread,
        factory=_Bounded,
    )
    assert isinstance(link, _Bounded)
    link.bound()
    return link


def _opened(path: Path, mode: Callable[[Path, bytes], str], **more: Any) -> sqlite3.Connection:
    """SQLite opens by name: what it has opened must be the file that was looked at, by no link of a user's.

    ``mode`` is asked with the real name and the file's first bytes.
    """
    with sqlite_file.looked_at(path) as (file, head):
        real, guarded = path, _guarded(path)
        if guarded:
            real = (FDS / str(file)).readlink()
        before = _times(file) if guarded else 0
        link: sqlite3.Connection = sqlite3.connect(
            f"{real.as_uri()}?mode={mode(real, head)}", uri=True, **more
        )
        try:
            unseen = guarded and _times(file) == before and not _is_at(file, real)
            anothers = unseen or (guarded and head[18:19] == b"\x02" and _log_is_anothers(link))
        except sqlite3.Error:
            link.close()
            raise
        if anothers:
            link.close()
            raise OSError(errno.ESTALE, _EXCHANGED)
    return link


_EXCHANGED = "it was exchanged while it was opened"


def begin(link: sqlite3.Connection) -> None:
    """A transaction that writes: SQLite may open the file's log only now.  Raises what sqlite3 does."""
    link.execute("BEGIN IMMEDIATE")
    if _log_is_anothers(link):
        link.execute("ROLLBACK")
        raise sqlite3.OperationalError(_EXCHANGED)


def _log_is_anothers(link: sqlite3.Connection) -> bool:
    """SQLite opens the write-ahead log by name, at the first look into the file: a folder that became a link
    by then has the log of another database of that name.  (A rollback journal is not made there: measured.)
    """
    link.execute("PRAGMA schema_version").fetchone()
    [[mode]] = link.execute("PRAGMA journal_mode").fetchall()
    path = Path(os.fsdecode(link.execute("PRAGMA database_list").fetchone()[2]))
    if mode not in ("wal", b"wal") or not _guarded(path):
        return False
    log = path.with_name(f"{path.name}-wal")
    for one in FDS.iterdir():
        with suppress(OSError):
            if one.readlink() == log:
                return False
    return True


def _guarded(path: Path) -> bool:
    return os.geteuid() == 0 and inroot.process_of(path) is None and FDS.is_dir()


def _times(file: int) -> int:
    """How many descriptors of ours have the file open."""
    wanted, found = os.fstat(file), 0
    for one in FDS.iterdir():
        with suppress(OSError):
            found += os.path.samestat(os.fstat(int(one.name)), wanted)
    return found


def _is_at(file: int, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(file), path.lstat())
    return False


def refused(why: Exception, path: Path, template: str = "") -> CannotObserve:
    """What SQLite raises, or the system on opening the file.  ``template``: the query as configured."""
    if isinstance(why, OSError):
        code = errno.errorcode.get(why.errno or 0, "")
        says = f"SQLite: the file cannot be read ({why.strerror})"
        return Refusal(Failing.FILE, code, says, by_name=why.errno in (errno.EACCES, errno.EPERM))
    says = f"SQLite: {str(why).rstrip('.')}"
    name = str(getattr(why, "sqlite_errorname", ""))
    if name.startswith(_OF_THE_FILE):
        return Refusal(Failing.FILE, name, says)
    if not name or name.startswith(_OURS):
        return CannotObserve(f"{says}.")
    kind = _KINDS.get(told_apart(why), Failing.SYNTAX)
    if kind is Failing.TABLE and _is_empty(path):
        kind = Failing.EMPTY
    return Refusal(kind, name, without_values(says, template) if kind is Failing.SYNTAX else says)


# What SQLite gives one code, SQLITE_ERROR, and tells apart by a text only, which it never translates.
# Source: rescode.html, "(1) SQLITE_ERROR"; the words are those of sqlite3LocateTable() in src/build.c,
# lookupName() in src/resolve.c and sqlite3Update() in src/update.c.
NO_TABLE, NO_COLUMN, GENERATED = TEXTS = (
    "no such table: ",
    "no such column: ",
    "cannot UPDATE generated column ",
)
_KINDS = {NO_TABLE: Failing.TABLE, NO_COLUMN: Failing.COLUMN}


def told_apart(why: Exception) -> str:
    """Which of ``TEXTS`` SQLite says; "" for none of them."""
    if getattr(why, "sqlite_errorname", "") != "SQLITE_ERROR":
        return ""
    return next((text for text in TEXTS if text in str(why)), "")


_OF_THE_FILE = (
    *("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_CORRUPT"),
    *("SQLITE_IOERR", "SQLITE_PERM", "SQLITE_FULL"),
)
# We may not write; or a value is larger than we take, and Dovecot takes it.
_OURS = ("SQLITE_READONLY", "SQLITE_TOOBIG", "SQLITE_NOMEM", "SQLITE_INTERRUPT")


# In SQLite's first page: how many entries its list of tables has.  And the largest page.
_SCHEMA_CELLS, _PAGE_MOST = slice(103, 105), 65536


def _is_empty(path: Path) -> bool:
    """A file without a single table: SQLite makes one when what it is to open is not there.

    Without a byte; or, as 2.4.5 sets the journal's mode, one page whose list of tables has no entry.
    Source: "Database File Format" of SQLite's documentation, the b-tree page header.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return False
    with sqlite_file.looked_at(path) as (_, head):
        return not head or (path.stat().st_size <= _PAGE_MOST and not any(head[_SCHEMA_CELLS]))
