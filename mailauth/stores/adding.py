"""Rows that are added to a store, all of a batch or none, and taken away again where they still are.

Written means read back in the same transaction.  A row that is there already is never touched.
"""

import base64
import random
import re
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import BinaryIO, Protocol

from mailauth import lines
from mailauth.dovecot.authconfig import FileSource, Source, SqlSource
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.records import dataclass
from mailauth.stores import passwd_file, replace, sql
from mailauth.stores import table as tables
from mailauth.stores.file_table import PAUSES, FileTable
from mailauth.stores.query import VARIABLE, is_name
from mailauth.stores.store import as_bytes
from mailauth.stores.swaps import (
    Key,
    Names,
    NotKeptError,
    Obstacle,
    Paged,
    Row,
    Run,
    Swap,
    Swapped,
    halved,
    key_of,
)

_NOT_KEPT = "the store does not keep the row as it was written (a trigger, a rule, a policy, a column's type)"
_STAYED = "the store does not let the row go (a trigger, a rule or a policy)"
_TWO_PARTS = re.compile(r"CONCAT\(([^,()]+), '@', ([^,()]+)\)")
_B64 = b"{PLAIN.B64}"
_FILLED = re.compile(r"%([und])")


class Target(Paged, Protocol):
    """Where rows are added.  A swap's row has the key and the user, its ``new`` is the string."""

    @property
    def whole(self) -> bool:
        """Whether all of it is written again for each batch."""

    def obstacles(self) -> Sequence[Obstacle]:
        """What an administrator should know before."""

    def key(self, user: str) -> Key | str:
        """The user's key, or why the store cannot have one."""

    def form(self, new: bytes) -> bytes:
        """A string with its scheme, as the store has to hold it."""

    def unfit(self, new: bytes) -> str:
        """Why the store cannot hold a string in its form; "" where it can."""

    def refused(self, swaps: Sequence[Swap]) -> Sequence[tuple[Key, str]]:
        """Which would not be added, and why, where the store lets that be tried."""

    def notes(self) -> Sequence[str]:
        """What an administrator should know of those whom ``refused`` was asked about."""

    def add(self, swaps: Sequence[Swap]) -> Swapped:
        """``changed``: somebody of that name is there by now."""

    def remove(self, swaps: Sequence[Swap]) -> Swapped:
        """Where the string is still the one that was added; ``changed``: where it is not."""


def folded(name: str) -> str:
    """What two names share that a database, or a person, may take for one."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def target_of(source: Source, fill: Mapping[str, str]) -> Target:
    """``fill``: what other columns hold, with %u, %n and %d.  Raises UsageError, Refused, CannotObserve."""
    if isinstance(source, SqlSource):
        sql.prepare(source)
        return _SqlTarget.of(tables.opened(source), fill)
    assert isinstance(source, FileSource)
    if fill:
        raise UsageError("--fill is for the columns of a database.")
    if VARIABLE.search(source.path):
        raise UsageError(f"{source.path}: give one file with --to passwd-file:/PATH.")
    if not Path(source.path).is_file():
        raise CannotObserve(f"{source.path}: there is no such passwd-file; make an empty one first.")
    return _FileTarget(FileTable(Path(source.path)))


class _Untried:
    """A store that says what it refuses when it is written, and holds any string as it is."""

    __slots__ = ()

    def form(self, new: bytes) -> bytes:
        return new

    def refused(self, swaps: Sequence[Swap]) -> Sequence[tuple[Key, str]]:
        del swaps
        return ()

    def notes(self) -> Sequence[str]:
        return ()


@dataclass(slots=True)
class _SqlTarget(_Untried):
    """A database's table: the columns of the name, that of the string, and others that are filled."""

    table: tables.SqlTable
    names: Names  # its keys are the columns of the name
    fill: Mapping[str, str]
    whole: bool = False

    @classmethod
    def of(cls, found: tables.SqlTable, fill: Mapping[str, str]) -> "_SqlTarget":
        two = _TWO_PARTS.fullmatch(found.user)
        columns = (two[1], two[2]) if two else (found.user,)
        if found.nameless or not all(map(is_name, columns)):
            found.close()
            raise Refused(
                f"{found.place}: the user's name is not one column, or two of one table; --to-rows-query"
                " names them: user and password of the mailboxes' table."
            )
        names = Names(found.names.table, found.names.column, columns)
        return cls(found, names, dict(fill))

    @property
    def place(self) -> str:
        return self.table.place

    @property
    def width(self) -> int | None:
        return self.table.width

    def identity(self) -> str:
        return self.table.identity()

    def obstacles(self) -> Sequence[Obstacle]:
        """A key that does not sort, and columns to fill that are not there: the others are of UPDATE."""
        found = [self.table.unsortable(), *map(self._unfillable, self.fill)]
        return tuple(Obstacle(why, stops=True) for why in found if why)

    def _unfillable(self, column: str) -> str:
        """Why a column cannot be filled; "" where it can."""
        if column.lower() in {name.strip('`"').lower() for name in (*self.names.keys, self.names.column)}:
            return f"--fill {column}: that column gets the name or the string itself"
        try:
            self.table.engine.rows(f"SELECT {column} FROM {self.names.table} WHERE 1 = 0", ())  # noqa: S608 - an identifier
        except (CannotObserve, Refused) as why:
            return f"--fill {column}: {str(why).removesuffix('.')}"
        return ""

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        return self.table.page(after, size)

    def key(self, user: str) -> Key | str:
        name, at, domain = user.rpartition("@")
        if self.fill and ("/" in user or {name, domain} & {".", ".."} or not user.isprintable()):
            return "--fill would put a name that leads to another folder, or hides something, into a column"
        if len(self.names.keys) == 1:
            return (user,)
        return (name, domain) if at and name and domain else "the table has a column for the domain"

    def unfit(self, new: bytes) -> str:
        try:
            new.decode()
        except UnicodeDecodeError:
            return "the stored string is not UTF-8"
        if self.width is not None and len(new) > self.width:
            return f"the column holds {self.width} characters, and {len(new)} are needed: widen it"
        return ""

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        with self.table.engine.transaction() as run:
            held = self._held(run, keys)
        return [Row(key, _name(key), stored) for key, stored in held]

    def _held(self, run: Run, keys: Sequence[Key], lock: str = "") -> list[tuple[Key, bytes | None]]:
        names, mark = self.names, self.table.engine.mark
        one = f"({', '.join([mark] * len(names.keys))})"
        marks = ", ".join([one] * len(keys))
        if len(names.keys) > 1 and mark == "?":  # SQLite wants VALUES where a row has several columns
            marks = f"VALUES {marks}"
        columns = ", ".join(names.keys)
        found = run(
            f"SELECT {columns}, {names.column} FROM {names.table} WHERE ({columns}) IN ({marks}){lock}",  # noqa: S608 - names of the query
            [value for key in keys for value in key],
        )
        return [(key_of(row[:-1]), as_bytes(row[-1])) for row in found]

    def add(self, swaps: Sequence[Swap]) -> Swapped:
        return halved(self._add, swaps)

    def _add(self, swaps: Sequence[Swap]) -> Swapped:
        names, mark = self.names, self.table.engine.mark
        columns = (*names.keys, names.column, *self.fill)
        with self.table.engine.transaction() as run:
            taken = {_folded(key) for key, _ in self._held(run, [one.row.key for one in swaps])}
            ours = [one for one in swaps if _folded(one.row.key) not in taken]
            if ours:
                row = f"({', '.join([mark] * len(columns))})"
                run(
                    f"INSERT INTO {names.table} ({', '.join(columns)}) VALUES {', '.join([row] * len(ours))}",  # noqa: S608 - the same
                    [value for one in ours for value in (*one.row.key, one.value, *self._filled(one))],
                )
            keys = [one.row.key for one in ours]
            now = dict(self._held(run, keys)) if keys else {}
            if left := {one.row.key: _NOT_KEPT for one in ours if now.get(one.row.key) != one.new}:
                raise NotKeptError(left)
        return Swapped(frozenset(keys), frozenset(one.row.key for one in swaps) - frozenset(keys))

    def _filled(self, one: Swap) -> list[str]:
        name, _, domain = one.row.user.rpartition("@")
        parts = {"u": one.row.user, "n": name or domain, "d": domain if name else ""}
        return [_FILLED.sub(lambda found: parts[found[1]], text) for text in self.fill.values()]

    def remove(self, swaps: Sequence[Swap]) -> Swapped:
        return halved(self._remove, swaps)

    def _remove(self, swaps: Sequence[Swap]) -> Swapped:
        names, mark = self.names, self.table.engine.mark
        lock = "" if mark == "?" else " FOR UPDATE"
        those = " AND ".join(f"{key} = {mark}" for key in names.keys)
        with self.table.engine.transaction() as run:
            held = self._held(run, [one.row.key for one in swaps], lock)
            alike = [_folded(key) for key, _ in held]
            same = {key: stored for key, stored in held if alike.count(_folded(key)) == 1}
            ours = [one for one in swaps if one.row.key in same and same[one.row.key] == one.new]
            for one in ours:
                run(f"DELETE FROM {names.table} WHERE {those}", one.row.key)  # noqa: S608 - the same
            keys = [one.row.key for one in ours]
            if left := {key: _STAYED for key, _ in (self._held(run, keys) if keys else ())}:
                raise NotKeptError(left)
        there = frozenset(key for key, _ in held)
        return Swapped(frozenset(keys), there - frozenset(keys))

    def close(self) -> None:
        self.table.close()


def _folded(key: Key) -> tuple[str, ...]:
    return tuple(folded(str(part)) for part in key)


def _name(key: Key) -> str:
    return "@".join(map(str, key))


@dataclass(slots=True)
class _FileTarget(_Untried):
    """A passwd-file: new lines stand at its end."""

    file: FileTable
    width: int | None = field(default=None)
    whole: bool = True

    @property
    def place(self) -> str:
        return self.file.place

    def identity(self) -> str:
        return self.file.identity()

    def obstacles(self) -> Sequence[Obstacle]:
        return self.file.obstacles()

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        return self.file.page(after, size)

    def key(self, user: str) -> Key | str:
        if not user or set(user) & set(":\n\r\0") or user[:1] == "#":
            return "a passwd-file cannot hold this name"
        return (user,)

    def form(self, new: bytes) -> bytes:
        if self.unfit(new) and new.startswith(b"{PLAIN}"):
            return _B64 + base64.b64encode(new.removeprefix(b"{PLAIN}"))
        return new

    def unfit(self, new: bytes) -> str:
        bad = set(new) & set(b":\n\r\0")
        return "a passwd-file cannot hold a colon or a line end in a string" if bad else ""

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        found = self.file.of_users([str(key[0]) for key in keys])
        return [Row((row.key[1],), str(row.key[1]), row.stored) for row in found]

    def add(self, swaps: Sequence[Swap]) -> Swapped:
        return self._written(swaps, _Added)

    def remove(self, swaps: Sequence[Swap]) -> Swapped:
        return self._written(swaps, _Removed)

    def _written(self, swaps: Sequence[Swap], make: "type[_Added | _Removed]") -> Swapped:
        pauses = iter(PAUSES)
        while swaps:
            try:
                return self._once(make({one.row.user.encode(): one for one in swaps}))
            except replace.MovedError:
                if (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - not to go in step with who writes it
        return Swapped(frozenset())

    def _once(self, work: "_Added | _Removed") -> Swapped:
        keys = [one.row.key for one in work.wanted.values()]
        with replace.opened(self.file.path) as found, replace.locked(found) as place:
            with place.reader() as file:
                work.look(file)
            with place.reader() as file:
                replace.replace(place, work.content(file))
            now = {row.key: row.stored for row in self.now(keys)}
        return work.outcome(now)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class _Added:
    """A copy of the file with new lines at its end, for those of whom there is none."""

    wanted: dict[bytes, Swap]
    there: set[bytes] = field(default_factory=set)

    def look(self, file: BinaryIO) -> None:
        names = (passwd_file.name_of(line) for line, _ in lines.sized(file))
        self.there = {name for name in names if name in self.wanted}

    def content(self, file: BinaryIO) -> Iterator[bytes]:
        last = b"\n"
        while line := file.readline(lines.MOST):  # a longer one comes in pieces
            yield line
            last = line
        if not last.endswith(b"\n"):
            yield b"\n"
        for name, one in self.wanted.items():
            if name not in self.there:
                yield name + b":" + one.new + b"\n"

    def outcome(self, now: Mapping[Key, bytes | None]) -> Swapped:
        ours = {one.row.key: one for name, one in self.wanted.items() if name not in self.there}
        left = tuple((key, _NOT_KEPT) for key, one in ours.items() if now.get(key) != one.new)
        taken = frozenset(self.wanted[name].row.key for name in self.there)
        return Swapped(frozenset(ours) - {key for key, _ in left}, taken, left=left)


@dataclass(slots=True)
class _Removed:
    """A copy of the file without the lines that were added and are still the same."""

    wanted: dict[bytes, Swap]
    there: set[bytes] = field(default_factory=set)
    same: set[bytes] = field(default_factory=set)

    def look(self, file: BinaryIO) -> None:
        for line, size in lines.sized(file):
            name = passwd_file.name_of(line)
            if name in self.wanted and name not in self.there:
                self.there.add(name)
                if size == len(line) and line.rstrip(b"\r\n") == name + b":" + self.wanted[name].new:
                    self.same.add(name)

    def content(self, file: BinaryIO) -> Iterator[bytes]:
        gone: set[bytes] = set()
        begins = True
        while line := file.readline(lines.MOST):
            name = passwd_file.name_of(line) if begins else b""
            begins = line.endswith(b"\n")
            if name in self.same and name not in gone:
                gone.add(name)
                continue
            yield line

    def outcome(self, now: Mapping[Key, bytes | None]) -> Swapped:
        del now  # a later line of the same name may count by now
        written = frozenset(self.wanted[name].row.key for name in self.same)
        return Swapped(written, frozenset(self.wanted[name].row.key for name in self.there - self.same))
