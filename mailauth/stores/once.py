"""Which names of a file were there before: in memory while they are few, else in a file without a name."""

import sqlite3
import weakref

from mailauth.errors import Refused

_MOST = 8 * 1024 * 1024  # bytes in memory
_EACH = 80  # bytes of a name beside its text
_CACHE = 8 * 1024  # KiB


class Once:
    """Names, each with a first time."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()
        self._bytes = 0
        self._link: sqlite3.Connection | None = None
        self._most = float(_MOST)

    def first(self, name: bytes) -> bool:
        """Whether it was not there before.  Raises Refused, on a full disk."""
        if self._link:
            return self._on_disk(self._link, name)
        before = len(self._names)
        self._names.add(name)
        if len(self._names) == before:
            return False
        self._bytes += len(name) + _EACH
        if self._bytes > self._most:
            self._to_disk()
        return True

    @staticmethod
    def _on_disk(link: sqlite3.Connection, name: bytes) -> bool:
        try:
            return link.execute("INSERT OR IGNORE INTO names VALUES (?)", (name,)).rowcount == 1
        except sqlite3.Error as why:
            raise Refused(
                f"The names of a file cannot be kept in a temporary file ({why}). Make room in /var/tmp, or"
                " set TMPDIR to a folder that has some."
            ) from None

    def _to_disk(self) -> None:
        link = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # gone when it is closed
        try:
            link.execute("PRAGMA journal_mode = OFF")
            link.execute(f"PRAGMA cache_size = -{_CACHE}")
            link.execute("CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID")
            link.execute("BEGIN")
            link.executemany("INSERT INTO names VALUES (?)", ((name,) for name in sorted(self._names)))
        except sqlite3.Error:  # no folder that may be written: then they stay in memory
            link.close()
            self._most = float("inf")
            return
        weakref.finalize(self, link.close)
        self._link, self._names = link, set()
