"""A database's table of stored strings, read page by page in key order, and changed by compare-and-set.

A page is read without a lock.  What is to change is then written in one transaction, in each row only
where the string is still the one that was read; and what was written is compared before it counts.
Old strings, which may be plaintexts, stand in no statement and in no log of the database.
"""

from collections.abc import Sequence
from typing import Any

from mailauth.counted import counted
from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve, Refused
from mailauth.records import dataclass
from mailauth.stores.base_table import Base, base_of
from mailauth.stores.conditions import columns
from mailauth.stores.databases import DATABASES
from mailauth.stores.kinds import of_kind
from mailauth.stores.nonsense import named, naming
from mailauth.stores.query import PlainSelect, columns_of_the_user, parts_of_tables, read, simple
from mailauth.stores.store import as_bytes
from mailauth.stores.swaps import (
    Engine,
    Key,
    Names,
    Obstacle,
    Row,
    Swap,
    Swapped,
    halved,
    key_of,
    utf8,
)

_AT_ONCE = 500  # names in a statement
_NAMED = 5
_LEFT = (
    "left, because something else may stand there; --rows-query without that condition takes them, too"
    " (SELECT user, password FROM)"
)


@dataclass(slots=True)
class SqlTable:
    """A table of some database."""

    place: str
    width: int | None
    names: Names
    user: str  # the expression that names the user
    engine: Engine
    nameless: str = ""  # that other tables make the user's name, and what to do; then a key stands for it
    keyless: str = ""  # that it has no primary key, and what to do; then it is one page
    conditions: str = ""  # of the password query, the same for every user
    only: bool = False  # whether rows that do not meet them are none of ours
    _rows_there: int = 0  # when the first page was read
    _rows_seen: int = 0
    _keys_seen: frozenset[Key] = frozenset()  # of the page before

    @property
    def apart(self) -> bool:
        return self.engine.apart

    @naming
    def identity(self) -> str:
        return f"{self.engine.identity(self.names.table)}.{self.names.column}"

    @naming
    def obstacles(self, *, batches: bool = True) -> Sequence[Obstacle]:
        return [*self.engine.obstacles(self.names, batches=batches), *self._not_taken()]

    def _not_taken(self) -> Sequence[Obstacle]:
        """Rows that Dovecot never takes, whoever logs in."""
        if not self.conditions:
            return []
        every = self._counted("")
        others = every - self._counted(f"WHERE {self.conditions}")
        if not others:
            return []
        what = _LEFT if self.only else "treated like the others"
        return [
            Obstacle(
                f"the password query takes only the rows of {self.names.table} where {self.conditions}:"
                f" {every - others} of {every}; {counted(others, 'row')}{self._some_not_taken(others)}"
                f" {'is' if others == 1 else 'are'} {what}"
            )
        ]

    def _some_not_taken(self, count: int) -> str:
        """Whose they are, in brackets; "" where nothing names them."""
        found = self.engine.rows(
            f"SELECT DISTINCT {self.user} FROM {self.names.table}"  # noqa: S608 - the password query's own words
            f" WHERE CASE WHEN {self.conditions} THEN 0 ELSE 1 END = 1 ORDER BY 1 LIMIT {_NAMED}",
            (),
        )
        names = ", ".join(_text(row[0]) for row in found if row[0])
        return f" ({names}{', ...' if count > _NAMED else ''})" if names else ""

    def _counted(self, where: str) -> int:
        return int(self.engine.rows(f"SELECT COUNT(*) FROM {self.names.table} {where}", ())[0][0])  # noqa: S608 - the password query's own words

    @naming
    def count(self) -> int:
        return self._counted(f"WHERE {self.conditions}" if self.only else "")

    @naming
    def unsortable(self) -> str:
        if self.names.in_key:
            return (
                f"{self.names.table}: {self.names.column} is part of its primary key, so a row that was"
                " changed cannot be found again, and undo could not restore it: give the table a key without"
                " that column"
            )
        columns = self.engine.unsortable(self.names)
        if not columns:
            return ""
        return (
            f"{self.names.table}: the values of its key, {columns}, do not sort as text, so its rows cannot"
            " be read page by page: give the table a key of whole numbers or text"
        )

    @naming
    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        if self.keyless:
            return self._rows(f"WHERE {self.conditions}" if self.only else "", ()) if after is None else []
        if after is None:
            self._rows_there, self._rows_seen, self._keys_seen = self.count(), 0, frozenset()
        rows = self._page(after, size)
        keys = frozenset(row.key for row in rows)
        self._rows_seen += len(rows)
        again = bool(keys & self._keys_seen)
        if again or (self._rows_seen > self._rows_there + size and self._rows_seen > self.count() + size):
            raise Refused(
                f"{self.names.table}: its key does not sort: the same rows were read twice; stopped."
            )
        self._keys_seen = keys
        if not rows and self._rows_seen < (there := min(self._rows_there, self.count())):
            raise Refused(
                f"{self.names.table}: only {self._rows_seen} of {there} rows were read: rows were deleted and"
                " inserted meanwhile, or its key does not sort. Run it again; if this stays so, the table"
                " needs another key."
            )
        return rows

    def _page(self, after: Key | None, size: int) -> Sequence[Row]:
        keys = ", ".join(self.names.keys)
        where = ""
        values: Sequence[Any] = ()
        if after is not None:
            marks = ", ".join(self.engine.mark if utf8((one,)) else self.engine.raw for one in after)
            where = f"WHERE ({keys}) > ({marks})"
            values = [one if utf8((one,)) else str(one).encode("utf-8", "surrogateescape") for one in after]
        if self.only:
            where = f"{where} AND {self.conditions}" if where else f"WHERE {self.conditions}"
        return self._rows(f"{where} ORDER BY {keys} LIMIT {int(size)}", values)

    @naming
    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        if not keys:
            return []
        where, values = self.engine.among(self.names, keys)
        return self._rows(f"WHERE {where}", values)

    @naming
    def of_users(self, users: Sequence[str]) -> Sequence[Row]:
        if self.nameless:
            raise Refused(self.nameless)
        found: list[Row] = []
        for at in range(0, len(users), _AT_ONCE):
            some = users[at : at + _AT_ONCE]
            keys = self.engine.rows(
                f"SELECT {', '.join(self.names.keys)} FROM {self.names.table}"  # noqa: S608 - the password query's own words
                f" WHERE {self.user} IN ({', '.join([self.engine.mark] * len(some))})"
                f"{f' AND {self.conditions}' if self.only else ''}",
                some,
            )
            found += self.now([key_of(row) for row in keys])
        return found

    def _rows(self, rest: str, values: Sequence[Any]) -> Sequence[Row]:
        names, version = self.names, self.engine.version
        found = self.engine.rows(
            f"SELECT {', '.join([self.user, names.column, *version, *names.keys])} FROM {names.table} {rest}",  # noqa: S608 - the password query's own words
            values,
        )
        at = 2 + len(version)
        return [Row(key_of(row[at:]), _text(row[0]), as_bytes(row[1]), tuple(row[2:at])) for row in found]

    @naming
    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        return halved(self._swap, swaps)

    def _swap(self, swaps: Sequence[Swap]) -> Swapped:
        written = self.engine.swap(self.names, swaps)
        if len(written) == len(swaps):
            return Swapped(written)
        return Swapped(written, frozenset(one.row.key for one in swaps) - written)

    def close(self) -> None:
        self.engine.close()


def opened(source: SqlSource, *, reading: bool = False) -> SqlTable:
    """The table that the password query reads, on the first server that answers.

    ``reading``: nothing is to be changed, so that it need not have a key.
    Raises Refused where the query names no one table and column, CannotObserve when no server answers.
    """
    base = base_of(source.query)
    if base is None or not simple(base.select, any_rows=True):
        raise Refused(_not_one(source))
    problem = f"{source.place}: no server is named."
    database = DATABASES[source.driver]
    for host in source.hosts:
        try:
            engine = database.table(host)
        except CannotObserve as why:
            problem = str(why)
            continue
        try:
            with named(database.place(host)):
                return _table(source, host, base, engine, reading=reading)
        except BaseException:
            engine.close()
            raise
    raise CannotObserve(problem)


def _not_one(source: SqlSource) -> str:
    form = "SELECT name, pw AS password FROM table, with the table's own names"
    select = read(source.query)
    why = "does not read one column of one table as it is"
    if select and not select.column:
        why = "has no column AS password"
    elif select and "." not in select.column and len(parts_of_tables(select.tables)) > 1:
        why = f"reads several tables, and does not say which of them has {select.column}"
    return (
        f"{source.query_place or source.place}: this query {why}, so mailauth cannot tell what to write; give"
        f" --rows-query '{form}'."
    )


def _table(source: SqlSource, host: dict[str, str], base: Base, engine: Engine, *, reading: bool) -> SqlTable:
    select = base.select
    column = select.column.rpartition(".")[2]
    keys = engine.keys(select.tables)
    keyless = "" if keys else _keyless(source, select)
    if keyless and not reading:
        raise Refused(f"{source.place}: {keyless}")
    names = Names(select.tables, column, keys)
    width = engine.width(select.tables, column)
    user, nameless = _user(source, base, engine)
    conditions = " AND ".join(f"({one})" for one in base.conditions)
    return SqlTable(
        f"{DATABASES[source.driver].place(host)}, {names.table}.{column}",
        width,
        names,
        user or next(iter(keys), "''"),
        engine,
        nameless,
        keyless,
        conditions,
        any(map(of_kind, base.conditions))
        or (bool(conditions) and _several_rows_a_user(base, engine, keys, user, conditions)),
    )


def _several_rows_a_user(base: Base, engine: Engine, keys: Sequence[str], user: str, conditions: str) -> bool:
    """Whether the conditions choose one of several rows that a user has: the others are no passwords.

    They name a part of the key; or users come again in the table, and do not among the rows that are taken.
    """
    named = {one.strip('`"').lower() for text in base.conditions for one in columns(text)}
    if named & {one.strip('`"').lower() for one in keys}:
        return True
    if not user:
        return False
    ask = f"SELECT COUNT(*), COUNT(DISTINCT {user}) FROM {base.select.tables}"  # noqa: S608 - the password query's own words
    (rows, users), (taken, names) = engine.rows(ask, ())[0], engine.rows(f"{ask} WHERE {conditions}", ())[0]
    return int(rows) > int(users) and int(taken) == int(names)


def _user(source: SqlSource, base: Base, engine: Engine) -> tuple[str, str]:
    """The expression that names the user, and why there is none."""
    table = base.select.tables
    if not base.user and base.alone:
        return "", ""
    if base.user:
        try:
            engine.rows(f"SELECT {base.user} FROM {table} WHERE 1 = 0", ())  # noqa: S608 - the password query's own words
        except (CannotObserve, Refused):
            if base.alone:
                raise
        else:
            return base.user, ""
    return "", (
        f"{source.query_place or source.place}: the user's name is not in the table {table} alone: name"
        " columns of that table with --rows-query."
    )


def _keyless(source: SqlSource, select: PlainSelect) -> str:
    """What is to be done before rows can be changed, each by its key."""
    columns = [one.rpartition(".")[2] for one in columns_of_the_user(source.query)]
    key = ", ".join(columns) or "the columns that name a user"
    return (
        f"the table {select.tables} has no primary key, and a migration needs one. As the table's owner:"
        f" ALTER TABLE {select.tables} ADD PRIMARY KEY ({key});"
    )


def _text(value: object) -> str:
    """To be shown: what is not UTF-8 cannot be."""
    if type(value) is str and value.isascii():
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
