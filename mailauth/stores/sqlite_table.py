"""A table of stored strings in SQLite: its key, a transaction of swaps.

Source of what stands between: https://sqlite.org/schematab.html.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailauth.errors import BatchRefused, Refused
from mailauth.stores import obstacles, sqlite_client
from mailauth.stores.database import LOCK, Host, quoted
from mailauth.stores.obstacles import Rows
from mailauth.stores.store import as_bytes
from mailauth.stores.swaps import (
    REFUSED_BY_TRIGGER,
    Key,
    LockedError,
    Names,
    NotKeptError,
    Obstacle,
    RowRefusedError,
    Run,
    Swap,
    among,
    not_kept,
)


class Sqlite:
    """SQLite: the whole file is ours while a batch is written."""

    mark = "?"
    raw = "CAST(? AS TEXT)"
    version: tuple[str, ...] = ()
    apart = False

    def __init__(self, host: Host) -> None:
        self._path = Path(host.get("path", ""))
        self._link = sqlite_client.to_write(host, timeout=LOCK)

    def close(self) -> None:
        self._link.close()

    def keys(self, table: str) -> tuple[str, ...]:
        name = (table.strip('"`'),)
        if self.rows("SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = ? COLLATE NOCASE", name):
            raise Refused(f"{table}: is a view; name the table that it reads, with --url and --rows-query.")
        found = self.rows("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", name)
        return tuple(quoted(str(row[0]), '"') for row in found) or ("rowid",)

    def unsortable(self, names: Names) -> str:
        """Any value may have any type: each is looked at."""
        odd = []
        for key in names.keys if names.keys != ("rowid",) else ():
            found = self.rows(
                f"SELECT typeof({key}) FROM {names.table}"  # noqa: S608 - names of the password query
                f" WHERE typeof({key}) NOT IN ('integer', 'text') LIMIT 1",
                (),
            )
            if found:
                odd.append(f"{key} ({as_bytes(found[0][0] or b'').decode()} in some rows)")  # type: ignore[union-attr]
        return ", ".join(odd)

    def identity(self, table: str) -> str:
        return f"sqlite {self._path.resolve()} {table}"

    def obstacles(self, names: Names, *, batches: bool) -> list[Obstacle]:
        del batches
        return [*obstacles.of_update(self.rows, names), *_obstacles(self.rows, names, self._path)]

    def width(self, table: str, column: str) -> int | None:
        del table, column
        return None  # SQLite keeps any length in any column

    def rows(self, statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        with self._errors():
            return self._link.execute(statement, tuple(values)).fetchall()

    def among(self, names: Names, keys: Sequence[Key]) -> tuple[str, Sequence[Any]]:
        return among(names, keys, self.mark, values=True)

    def swap(self, names: Names, swaps: Sequence[Swap]) -> frozenset[Key]:
        those = " AND ".join(f"{key} = ?" for key in names.keys)
        ask = f"SELECT {names.column} FROM {names.table} WHERE {those}"  # noqa: S608 - names of the password query
        with self._errors():
            sqlite_client.begin(self._link)
            try:
                same = []
                for one in swaps:
                    found = self._link.execute(ask, one.row.key).fetchone()
                    if found and as_bytes(found[0]) == one.row.stored:
                        same.append(one)
                self._link.executemany(
                    f"UPDATE {names.table} SET {names.column} = {self.raw} WHERE {those}",  # noqa: S608 - the same
                    [(one.value, *one.row.key) for one in same],
                )
                now = {}
                for one in same:
                    if found := self._link.execute(ask, one.row.key).fetchone():
                        now[one.row.key] = as_bytes(found[0])
                if left := not_kept(same, now):
                    raise NotKeptError(left)
                self._link.execute("COMMIT")
            finally:
                if self._link.in_transaction:
                    self._link.execute("ROLLBACK")
            return frozenset(one.row.key for one in same)

    @contextmanager
    def transaction(self) -> Iterator[Run]:
        with self._errors():
            sqlite_client.begin(self._link)
            try:
                yield lambda statement, values: self._link.execute(statement, tuple(values)).fetchall()
                self._link.execute("COMMIT")
            finally:
                if self._link.in_transaction:
                    self._link.execute("ROLLBACK")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning) as why:
            name = str(getattr(why, "sqlite_errorname", ""))
            if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise LockedError from None
            if name.startswith("SQLITE_CONSTRAINT"):
                trigger = name == "SQLITE_CONSTRAINT_TRIGGER"
                raise RowRefusedError(f"SQLite: {REFUSED_BY_TRIGGER if trigger else why}") from None
            if sqlite_client.told_apart(why) == sqlite_client.GENERATED:
                raise Refused(f"SQLite: {why}; name the column that it is made of.") from None
            if name.startswith(("SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PERM")):
                raise BatchRefused(f"SQLite: {why}") from None
            raise sqlite_client.refused(why, self._path) from None


def _obstacles(rows: Rows, names: Names, path: Path) -> Iterator[Obstacle]:
    """``rows`` asks the file."""
    table = names.table.strip('"`')
    yield from obstacles.each(
        rows,
        obstacles.TRIGGERS,
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
        " AND sql LIKE '%update%'",
        (table,),
    )
    column = names.column.strip('`"')
    yield from obstacles.each(
        rows,
        obstacles.UNIQUE,
        "SELECT DISTINCT l.name FROM pragma_index_list(?) l LEFT JOIN pragma_index_xinfo(l.name) x"
        " LEFT JOIN sqlite_master m ON m.type = 'index' AND m.name = l.name WHERE l.[unique]"
        " AND l.origin <> 'pk' AND (x.name = ? COLLATE NOCASE OR m.sql LIKE '%(%' || ? || '%')",
        (table, column, column),
    )
    yield from obstacles.each(
        rows,
        obstacles.CHECKS,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
        " AND sql LIKE '%check%(%' || ? || '%'",
        (table, names.column.strip('"`')),
    )
    yield from obstacles.each(
        rows,
        "values of the column that are no TEXT ({}) become TEXT when they are changed, and undo restores"
        " them as TEXT: the same characters, but SQLite does not find a BLOB equal to them",
        f"SELECT COUNT(*) || ' ' || upper(typeof({names.column})) FROM {names.table}"  # noqa: S608 - names of the password query
        f" WHERE typeof({names.column}) NOT IN ('text', 'null') GROUP BY typeof({names.column})",
        (),
    )
    yield from obstacles.each(
        rows,
        obstacles.VIEWS,
        "SELECT name FROM sqlite_master WHERE type = 'view' AND sql LIKE '%' || ? || '%'",
        (table,),
    )
    beside = obstacles.asked(
        rows,
        "SELECT name FROM pragma_table_info(?) WHERE type = '' OR type LIKE '%char%' OR type LIKE '%text%'"
        " OR type LIKE '%clob%' OR type LIKE '%blob%' ORDER BY cid",
        (table,),
    )
    yield from obstacles.beside(beside, column)
    if not (os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)):
        yield Obstacle(f"{path} or its folder cannot be written", stops=True)
