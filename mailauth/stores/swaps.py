"""Rows of stored strings, and what is to be written into them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Key = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One stored string.  It is a secret: no repr shows it.  ``user`` is for the reader.

    ``version`` is the database's own name for the row as it is now, where it has one.
    """

    key: Key
    user: str
    stored: bytes | None = field(repr=False)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Swap:
    """A row as it was read, and its new string."""

    row: Row
    new: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Swapped:
    """What became of swaps: the keys written, those that changed meanwhile, those that are locked."""

    written: frozenset[Key]
    changed: frozenset[Key] = frozenset()
    locked: frozenset[Key] = frozenset()


class Table(Protocol):
    """Where stored strings are."""

    @property
    def place(self) -> str:
        """Where a person can look."""

    @property
    def width(self) -> int | None:
        """Of the column, in characters; None: no limit."""

    def count(self) -> int:
        """How many rows there are, about."""

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        """The next rows in key order."""

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        """These rows as they are now; those that are gone are left out."""

    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        """Write, all or nothing but for rows that changed or are locked.  Raises Refused."""

    def close(self) -> None:
        """End the session."""


class LockedError(Exception):
    """A row is locked by someone else."""


class Engine(Protocol):
    """What differs from database to database."""

    def keys(self, table: str) -> tuple[str, ...]:
        """The columns of the primary key, in their order."""

    def width(self, table: str, column: str) -> int | None: ...

    def rows(self, statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]: ...

    def among(self, names: "Names", keys: Sequence[Key]) -> tuple[str, Sequence[Any]]:
        """A condition that is true for these keys, with its values."""

    def swap(self, names: "Names", swaps: Sequence[Swap]) -> set[Key]:
        """In one transaction; returns what was written.  Raises LockedError, Refused."""

    def close(self) -> None: ...

    mark: str  # a value's place in a statement
    version: str  # the expression for Row.version


@dataclass(frozen=True, slots=True)
class Names:
    """The table, the column of the stored strings, and the columns of the key."""

    table: str
    column: str
    keys: tuple[str, ...]


def as_bytes(value: object) -> bytes | None:
    """As Dovecot reads it: a C string."""
    if value is None:
        return None
    raw = (
        bytes(value)
        if isinstance(value, bytes | memoryview)
        else str(value).encode("utf-8", "surrogateescape")
    )
    return raw.partition(b"\0")[0]


def key_of(values: Sequence[Any]) -> Key:
    return tuple(value if isinstance(value, int | str) else _text(value) for value in values)


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
