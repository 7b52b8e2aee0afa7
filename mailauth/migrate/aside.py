"""What a move remembers of two stores: on disk, so that its memory does not grow with their rows.

The file has no name, so it is gone with the process, and lies where SQLite puts such files (TMPDIR, else
/var/tmp).  Names stand in it as they are; stored strings are sealed to a key that is in this process only,
and digests are made with such a key.
"""

import hashlib
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from mailauth.errors import Refused
from mailauth.later import later
from mailauth.records import dataclass
from mailauth.stores.adding import folded
from mailauth.stores.swaps import Row

if TYPE_CHECKING:
    import nacl.secret
else:
    nacl = later("nacl")

_CACHE = 16 * 1024  # KiB
_FRAME = 500  # rows that are sealed together
_KEY, _DIGEST = 32, 16  # bytes
_TABLES = (
    "CREATE TABLE there (name TEXT, folded TEXT, digest BLOB, local TEXT)",
    "CREATE TABLE ours (folded TEXT, bare INT)",
)
_INDEXES = (
    "CREATE INDEX there_folded ON there (folded)",
    "CREATE INDEX there_local ON there (local) WHERE local IS NOT NULL",
    "CREATE INDEX ours_folded ON ours (folded)",
)
_T = TypeVar("_T")


class Aside:
    """Who is in the target, who is in the source, and rows on their way.  Raises Refused, on a full disk."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(_KEY)
        self._box = nacl.secret.SecretBox(secrets.token_bytes(_KEY))
        self._link = sqlite3.connect("", isolation_level=None)
        self._piles = 0
        self.rows = self.with_domain = 0  # of the target
        with _kept():
            self._run("PRAGMA journal_mode = OFF")
            self._run(f"PRAGMA cache_size = -{_CACHE}")
            for statement in (*_TABLES, "BEGIN"):
                self._run(statement)

    def _run(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        return self._link.execute(statement, values)

    def there(self, rows: Iterable[Row]) -> None:
        """Some who are in the target."""
        with _kept():
            self._link.executemany("INSERT INTO there VALUES (?, ?, ?, ?)", map(self._of_target, rows))

    def _of_target(self, row: Row) -> tuple[str, str, bytes, str | None]:
        name = folded(row.user)
        local, at, _ = name.partition("@")
        self.rows += 1
        self.with_domain += bool(at)
        digest = self.digest(row.stored or b"")
        return _said(row.user), _said(name), digest, _said(local) if at else None

    def ours(self, users: Iterable[str]) -> None:
        """Some who are in the source."""
        with _kept():
            rows = ((folded(user), "@" not in user) for user in users)
            self._link.executemany("INSERT INTO ours VALUES (?, ?)", rows)

    def ready(self) -> None:
        """All are there, and may be asked for."""
        with _kept():
            for statement in _INDEXES:
                self._run(statement)

    def digest(self, stored: bytes) -> bytes:
        return hashlib.blake2b(stored, key=self._secret, digest_size=_DIGEST).digest()

    def alike(self, users: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Of these users, by the folded name: who has it in the target, each with a digest of the string."""
        found: dict[str, dict[str, bytes]] = defaultdict(dict)
        asked = "SELECT folded, name, digest FROM there WHERE folded IN ({})"
        for name, user, digest in self._among(asked, users):
            found[name][user] = digest
        return found

    def twice(self, users: Sequence[str]) -> set[str]:
        """Which of their folded names the source has more than once."""
        asked = "SELECT folded FROM ours WHERE folded IN ({}) GROUP BY folded HAVING COUNT(*) > 1"
        return {name for (name,) in self._among(asked, users)}

    def _among(self, statement: str, users: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        names = sorted({folded(user) for user in users})
        with _kept():
            yield from self._run(statement.format(", ".join("?" * len(names))), names)

    def without_domain(self, most: int) -> list[str]:
        """Names of the target whose part before the @ is a whole name of the source."""
        with _kept():
            found = self._run(
                "SELECT DISTINCT folded FROM there WHERE local IN (SELECT folded FROM ours WHERE bare)"
                " ORDER BY folded LIMIT ?",
                (most,),
            )
            return [name for (name,) in found]

    def pile(self, kind: type[_T]) -> "Pile[_T]":
        """Rows of one kind, to be read in the order in which they came."""
        self._piles += 1
        with _kept():
            self._run(f"CREATE TABLE pile{self._piles} (frame BLOB)")
        return Pile(self, self._piles, kind)

    def put(self, pile: int, rows: bytes) -> None:
        with _kept():
            frame = bytes(self._box.encrypt(rows))
            self._run(f"INSERT INTO pile{pile} VALUES (?)", (frame,))  # noqa: S608 - a number

    def frames(self, pile: int) -> Iterator[bytes]:
        with _kept():
            for (frame,) in self._run(f"SELECT frame FROM pile{pile} ORDER BY rowid"):  # noqa: S608 - a number
                yield bytes(self._box.decrypt(frame))

    def close(self) -> None:
        self._link.close()


@contextmanager
def _kept() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as why:
        raise Refused(
            f"What is read cannot be kept in a temporary file ({why}); nothing was changed by that. Make room"
            " in /var/tmp, or set TMPDIR to a folder that has some."
        ) from None


def _said(name: str) -> str:
    """A name of a database need not be UTF-8."""
    return name.encode("utf-8", "replace").decode()


@dataclass(slots=True)
class Pile(Generic[_T]):
    """Rows on their way."""

    _aside: Aside
    _number: int
    _kind: type[_T]
    _rows: int = 0
    _open: list[_T] = field(default_factory=list)

    def add(self, row: _T) -> None:
        self._rows += 1
        self._open.append(row)
        if len(self._open) == _FRAME:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._aside.put(self._number, msgspec.msgpack.encode(self._open))
            self._open = []

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[_T]:
        self._close()
        for frame in self._aside.frames(self._number):
            yield from msgspec.msgpack.decode(frame, type=list[self._kind])  # type: ignore[name-defined]
