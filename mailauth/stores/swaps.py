"""Rows of stored strings, and what is to be written into them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from mailauth.records import dataclass

Key = tuple[int | str, ...]


class Row(msgspec.Struct, frozen=True, gc=False):
    """One stored string.  It is a secret: no repr shows it.  ``user`` is for the reader.

    ``version`` is the database's own name for the row as it is now, where it has one.  (Structs and not
    dataclasses, since there are millions: they are made in a fifth of the time.)
    """

    key: Key
    user: str
    stored: bytes | None
    version: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Row({self.key!r})"


class Swap(msgspec.Struct, frozen=True, gc=False):
    """A row as it was read, and its new string; ``null``: it shall have none, and ``new`` is empty."""

    row: Row
    new: bytes
    null: bool = False

    @property
    def after(self) -> bytes | None:
        """What the row is to hold."""
        return None if self.null else self.new

    @property
    def value(self) -> str | bytes | None:
        """The same, for a statement: bytes where it is not UTF-8."""
        try:
            return None if self.null else self.new.decode()
        except UnicodeDecodeError:
            return self.new

    def __repr__(self) -> str:
        return f"Swap({self.row!r})"


@dataclass(frozen=True, slots=True)
class Swapped:
    """What became of swaps: the keys written, those that changed meanwhile, those that are locked.

    Written means read back.  ``left``: rows that do not take the new string, and why.
    """

    written: frozenset[Key]
    changed: frozenset[Key] = frozenset()
    locked: frozenset[Key] = frozenset()
    left: tuple[tuple[Key, str], ...] = ()

    def __or__(self, other: "Swapped") -> "Swapped":
        return Swapped(
            self.written | other.written,
            self.changed | other.changed,
            self.locked | other.locked,
            self.left + other.left,
        )


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands between the rows and their new strings.  ``stops``: nothing can be written at all."""

    says: str
    stops: bool = False


class Paged(Protocol):
    """A store whose rows are read page by page, and by their keys."""

    @property
    def place(self) -> str:
        """Where a person can look."""

    @property
    def width(self) -> int | None:
        """Of the column of the strings, in characters; None: no limit."""

    def identity(self) -> str:
        """Which store this is, whatever it is called: the server and the table, or the file."""

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        """The next rows in key order.  Raises Refused where they repeat, or some were passed over."""

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        """These rows as they are now; those that are gone are left out."""

    def close(self) -> None:
        """End the session."""


class Table(Paged, Protocol):
    """Where stored strings are."""

    @property
    def apart(self) -> bool:
        """Whether one thread may read while another writes."""

    def obstacles(self, *, batches: bool = True) -> Sequence[Obstacle]:
        """What an administrator should know before anything is written; ``batches``: many rows at a time."""

    def count(self) -> int:
        """How many rows there are, about."""

    def unsortable(self) -> str:
        """Why its rows cannot be read page by page, in key order; "" where they can."""

    def of_users(self, users: Sequence[str]) -> Sequence[Row]:
        """The rows of users, by the names that the store has; there may be none for one, and several.

        In a database, what its own comparison takes for the same name is found: it may be in other case.
        """

    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        """Write, all or nothing but for rows that changed or are locked.  Raises Refused."""


class LockedError(Exception):
    """A row is locked by someone else."""


class RowRefusedError(Exception):
    """The database refuses the new string of some row, and says why; nothing was written."""


class NotKeptError(Exception):
    """What was read back is not what was written; it was all rolled back."""

    def __init__(self, left: Mapping[Key, str]) -> None:
        super().__init__(len(left))
        self.left = left


KEPT_OLD = (
    "the store kept the old string: a trigger, a rule, a row-level policy or the column's type prevents"
    " the change"
)
MADE_OTHER = "the store holds another string than was written (a trigger, the column's type, another writer)"
NARROW = "a column is too narrow: this one, one that is generated from it, or one that a trigger fills"
REFUSED_BY_TRIGGER = "a trigger of the table refuses the new string"  # its own words may hold the string


def halved(work: Callable[[Sequence[Swap]], Swapped], swaps: Sequence[Swap]) -> Swapped:
    """Carry them out; halved where a row is locked or refused, until only such rows are left."""
    if not swaps:
        return Swapped(frozenset())
    try:
        return work(swaps)
    except NotKeptError as why:
        rest = halved(work, [one for one in swaps if one.row.key not in why.left])
        return rest | Swapped(frozenset(), left=tuple(why.left.items()))
    except (LockedError, RowRefusedError) as why:
        if len(swaps) > 1:
            middle = len(swaps) // 2
            return halved(work, swaps[:middle]) | halved(work, swaps[middle:])
        key = swaps[0].row.key
        if isinstance(why, LockedError):
            return Swapped(frozenset(), locked=frozenset({key}))
        return Swapped(frozenset(), left=((key, str(why)),))


def not_kept(swaps: Sequence[Swap], now: Mapping[Key, bytes | None]) -> dict[Key, str]:
    """Rows that do not hold their new string, though it was written, and why."""
    return {
        one.row.key: KEPT_OLD if now.get(one.row.key) == one.row.stored else MADE_OTHER
        for one in swaps
        if now.get(one.row.key, b"") != one.after or one.row.key not in now
    }


Run = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]
"""Runs a statement with its values; returns its rows."""


class Engine(Protocol):
    """What differs from database to database."""

    def keys(self, table: str) -> tuple[str, ...]:
        """The columns of the primary key, in their order."""

    def unsortable(self, names: "Names") -> str:
        """The columns of the key whose text does not sort or come back, each with its type; or ""."""

    def width(self, table: str, column: str) -> int | None: ...

    def rows(self, statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]: ...

    def among(self, names: "Names", keys: Sequence[Key]) -> tuple[str, Sequence[Any]]:
        """A condition that is true for these keys, with its values."""

    def swap(self, names: "Names", swaps: Sequence[Swap]) -> frozenset[Key]:
        """In one transaction; returns what was written, and read back.

        Raises LockedError, RowRefusedError, NotKeptError, Refused; then nothing was written.
        """

    def transaction(self) -> AbstractContextManager[Run]:
        """All that is run within it counts, or none does.  Raises as ``swap``."""

    def identity(self, table: str) -> str:
        """The server, as it names itself, and the table."""

    def obstacles(self, names: "Names", *, batches: bool) -> Sequence[Obstacle]:
        """As for a table."""

    def close(self) -> None: ...

    mark: str  # a value's place in a statement
    raw: str  # the same for text that is not UTF-8, given as bytes
    version: tuple[str, ...]  # the columns of Row.version
    apart: bool  # whether it reads while it writes


@dataclass(frozen=True, slots=True)
class Names:
    """The table, the column of the stored strings, and the columns of the key."""

    table: str
    column: str
    keys: tuple[str, ...]

    @property
    def in_key(self) -> bool:
        """Whether the column is part of the key: a row that is changed could not be found again by it."""
        return self.column.strip('`"').lower() in (key.strip('`"').lower() for key in self.keys)


def key_of(values: Sequence[Any]) -> Key:
    return tuple([value if type(value) in _PLAIN else _text(value) for value in values])


_PLAIN = (str, int)


def among(names: Names, keys: Sequence[Key], mark: str, *, values: bool = False) -> tuple[str, Sequence[Any]]:
    """A condition that is true for these keys, with its values.

    ``values``: where a row has several columns, the list wants the word VALUES before it.
    """
    one = f"({', '.join([mark] * len(names.keys))})"
    marks = ", ".join([one] * len(keys))
    if values and len(names.keys) > 1:
        marks = f"VALUES {marks}"
    return f"({', '.join(names.keys)}) IN ({marks})", [value for key in keys for value in key]


def utf8(key: Key) -> bool:
    """Whether a key can be said in a journal and to a database: all of its text is UTF-8."""
    try:
        for part in key:
            if type(part) is str and not part.isascii():
                part.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
