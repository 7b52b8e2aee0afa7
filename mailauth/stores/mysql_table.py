"""A table of stored strings in MariaDB and MySQL: its key, its width, a transaction of swaps."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from mailauth.errors import BatchRefused, CannotObserve, Refused
from mailauth.stores import database, mysql_client, mysql_errors, mysql_obstacles, obstacles, silence
from mailauth.stores.database import LOCK, LONG, Host, at_server, quoted
from mailauth.stores.drivers import pymysql
from mailauth.stores.store import as_bytes
from mailauth.stores.swaps import (
    NARROW,
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
    key_of,
    not_kept,
)

_BUSY = (1020, 1205, 1213)  # changed since the snapshot (MariaDB 11.6 on); lock wait; deadlock
# Their own words may hold the string; those about a CHECK have its name only.
_REFUSED = {
    1048: "a column may not be empty (NULL)",
    1062: "a column is UNIQUE, and another row has the new value",
    1364: "a column has no default, and needs a value",
    1265: "the column's type does not hold the new string",
    1406: NARROW,
    1451: "a foreign key of another table names the old string",
    1452: "a foreign key names a row that is not there",
    1366: "the column's character set lacks a character of the new string",
    1644: REFUSED_BY_TRIGGER,
}
_CHECK = (3819, 4025)
# Ordered by something else than the text that is read (ENUM, SET), read as other text (TIME), not exact
# as text (FLOAT), or no text at all (BINARY).
_ODD = frozenset({"enum", "set", "time", "float", "double", "bit", "binary"})
_FORBIDDEN = (1044, 1142, 1227, 1290, 3152)  # no right, or not in this mode of the server
_MOST = LONG + 30.0  # seconds that a batch may take, whatever the server says
_SWAP = "mailauth_swap"  # MariaDB's temporary table


class Mysql:
    """MariaDB and MySQL: a batch goes into a temporary table with the columns' own types."""

    mark = raw = "%s"
    version: tuple[str, ...] = ()
    apart = False

    def __init__(self, host: Host) -> None:
        self._host = host
        self._link = mysql_client.connect(host, read=LONG, client_flag=pymysql.constants.CLIENT.FOUND_ROWS)
        self._made = False
        self._alone = False  # no temporary table may be made: rows are written one by one
        self._types: dict[str, str] = {}  # of the key's columns
        with self._errors(), self._link.cursor() as cursor:
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK}")
            with suppress(pymysql.Error):  # MariaDB's: MySQL has none
                cursor.execute(f"SET SESSION idle_transaction_timeout = {database.IDLE}")

    def close(self) -> None:
        with suppress(pymysql.Error):  # it has been, where an answer broke off
            self._link.close()

    def keys(self, table: str) -> tuple[str, ...]:
        if engine := mysql_client.without_transactions(table, self.rows):
            raise Refused(f"{table}: {engine} has no transactions, so a batch could be left half done.")
        schema, name = mysql_client.names_of(table)
        self._must_be_a_table(schema, name)
        found = self.rows(
            "SELECT k.column_name, c.data_type FROM information_schema.key_column_usage k"
            " JOIN information_schema.columns c ON c.table_schema = k.table_schema"
            " AND c.table_name = k.table_name AND c.column_name = k.column_name"
            " WHERE k.constraint_name = 'PRIMARY' AND k.table_name = %s"
            " AND k.table_schema = COALESCE(%s, DATABASE()) ORDER BY k.ordinal_position",
            (name, schema),
        )
        self._types = {quoted(str(row[0]), "`"): str(row[1]).lower() for row in found}
        return tuple(self._types)

    def unsortable(self, names: Names) -> str:
        return ", ".join(f"{key} ({self._types[key]})" for key in names.keys if self._types[key] in _ODD)

    def identity(self, table: str) -> str:
        """MySQL has a number of its own; MariaDB its machine's name, its folder and, a new one, server_uid.

        That is made of a network card's address and the port: MariaDB sql/mysqld.cc (calculate_server_uid).
        """
        schema, name = mysql_client.names_of(table)
        try:
            [server] = self._one("SELECT @@server_uuid", ())
        except (CannotObserve, Refused):
            [server] = self._one("SELECT CONCAT(@@hostname, ' ', @@datadir)", ())
            with suppress(CannotObserve, Refused):  # an older one
                [own] = self._one("SELECT @@server_uid", ())
                server = f"{_text(server)} {_text(own)}"
        [database] = self._one("SELECT COALESCE(%s, DATABASE())", (schema,))
        return f"mysql {_text(server)} {_text(database)}.{name}"

    def obstacles(self, names: Names, *, batches: bool) -> list[Obstacle]:
        return [
            *obstacles.of_update(self.rows, names),
            *(self._one_by_one(names) if batches and names.keys and not names.in_key else ()),
            *mysql_obstacles.of_table(self.rows, names),
        ]

    def _one_by_one(self, names: Names) -> Iterator[Obstacle]:
        if not self._make_swap(names):
            yield Obstacle(
                "this account may make no temporary table, so rows are written one by one, which is slower"
                " (the right CREATE TEMPORARY TABLES)"
            )

    def _make_swap(self, names: Names) -> bool:
        """Whether there is a temporary table."""
        if not (self._made or self._alone):
            keys = ", ".join(names.keys)
            with self._errors(), self._link.cursor() as cursor:
                try:
                    cursor.execute(
                        f"CREATE TEMPORARY TABLE {_SWAP} AS"  # noqa: S608 - names of the password query
                        f" SELECT {keys}, {names.column} FROM {names.table} LIMIT 0"
                    )
                except pymysql.Error as why:
                    if why.args[0] not in _FORBIDDEN:
                        raise
                    self._alone = True
            self._made = not self._alone
        return self._made

    def width(self, table: str, column: str) -> int | None:
        schema, name = mysql_client.names_of(table)
        found = self.rows(
            "SELECT character_maximum_length FROM information_schema.columns WHERE table_name = %s"
            " AND table_schema = COALESCE(%s, DATABASE()) AND column_name = %s",
            (name, schema, column.strip('`"')),
        )
        return int(found[0][0]) if found and found[0][0] is not None else None

    def rows(self, statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        with self._errors(), self._link.cursor() as cursor:
            cursor.execute(statement, tuple(values) or None)
            found: Sequence[Sequence[Any]] = cursor.fetchall()
            self._link.commit()
            return found

    def _one(self, statement: str, values: Sequence[Any]) -> Sequence[Any]:
        """The one row, of one column, of a query that has no other."""
        found = self.rows(statement, values)
        if [len(row) for row in found] != [1]:
            raise CannotObserve(f"{at_server('mysql', self._host)} answers {statement} with no single value.")
        return found[0]

    def among(self, names: Names, keys: Sequence[Key]) -> tuple[str, Sequence[Any]]:
        return among(names, keys, self.mark)

    def swap(self, names: Names, swaps: Sequence[Swap]) -> frozenset[Key]:
        with self._errors(), self._link.cursor() as cursor:
            try:
                done = self._swap(cursor, names, swaps)
            except BaseException:
                self._rolled_back()
                raise
            self._link.commit()
            return done

    @contextmanager
    def transaction(self) -> Iterator[Run]:
        with self._errors(), self._link.cursor() as cursor:

            def run(statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
                cursor.execute(statement, tuple(values) or None)
                found: Sequence[Sequence[Any]] = cursor.fetchall()
                return found

            try:
                yield run
            except BaseException:
                self._rolled_back()
                raise
            self._link.commit()

    def _rolled_back(self) -> None:
        """Also where an answer broke off: the server takes back what it has of a connection that ends."""
        try:
            self._link.rollback()
        except Exception:  # noqa: BLE001 - what was raised before is what happened
            with suppress(Exception):
                self._link.close()

    def _swap(self, cursor: Any, names: Names, swaps: Sequence[Swap]) -> frozenset[Key]:
        if not self._make_swap(names):
            return _each_alone(cursor, names, swaps)
        keys = ", ".join(names.keys)
        cursor.execute(f"DELETE FROM {_SWAP}")  # noqa: S608 - ours
        wanted = {one.row.key: one for one in swaps}
        same_key = " AND ".join(f"t.{key} = u.{key}" for key in names.keys)
        # Each row by its key: to read the whole of a small table would lock, or wait for, the others' rows.
        joined = f"{_SWAP} u STRAIGHT_JOIN {names.table} t FORCE INDEX (PRIMARY) ON {same_key}"
        marks = ", ".join(["%s"] * len(names.keys))
        cursor.executemany(
            f"INSERT INTO {_SWAP} ({keys}, {names.column}) VALUES ({marks}, %s)",  # noqa: S608 - names of the password query
            [(*one.row.key, one.value) for one in swaps],
        )
        both = ", ".join(f"t.{key}" for key in names.keys)
        cursor.execute(
            f"SELECT {both}, t.{names.column} FROM {joined} FOR UPDATE"  # noqa: S608 - the same
        )
        same = frozenset(
            key_of(row[:-1])
            for row in cursor.fetchall()
            if (one := wanted.get(key_of(row[:-1]))) and as_bytes(row[-1]) == one.row.stored
        )
        gone = [one.row.key for one in swaps if one.row.key not in same]
        if gone:
            those = " AND ".join(f"{key} = %s" for key in names.keys)
            cursor.executemany(f"DELETE FROM {_SWAP} WHERE {those}", gone)  # noqa: S608 - the same
        cursor.execute(
            f"UPDATE {joined} SET t.{names.column} = u.{names.column}"  # noqa: S608 - the same
        )
        cursor.execute(f"SELECT {both}, t.{names.column} FROM {joined}")  # noqa: S608 - the same
        now = {key_of(row[:-1]): as_bytes(row[-1]) for row in cursor.fetchall()}
        if left := not_kept([wanted[key] for key in same], now):
            raise NotKeptError(left)
        return same

    def _must_be_a_table(self, schema: str | None, name: str) -> None:
        found = self.rows(
            "SELECT view_definition FROM information_schema.views WHERE table_name = %s"
            " AND table_schema = COALESCE(%s, DATABASE())",
            (name, schema),
        )
        if found:
            tables = re.findall(r"(?i)(?:from|join) \(*(`[^`]+`\.`[^`]+`)", _text(found[0][0]))
            of = f" of {', '.join(dict.fromkeys(tables))}" if tables else ""
            raise Refused(f"{name}: is a view{of}; name its table with --rows-query.")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            late = silence.ending(_MOST, lambda: mysql_client.descriptor(self._link))
            with mysql_errors.understood(self._host), late:
                yield
        except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
            code = why.args[0] if why.args else 0
            if code in _BUSY:
                raise LockedError from None
            if code in _REFUSED:
                raise RowRefusedError(f"MariaDB/MySQL: {_REFUSED[code]}") from None
            if code in _CHECK:
                raise RowRefusedError(f"MariaDB/MySQL: {why.args[-1]}") from None
            if code in (1906, 3105):
                raise Refused(f"MariaDB/MySQL: {why.args[-1]}; name the column that it is made of.") from None
            if code in (1142, 1143, 1044, 1290, 1792, 1836, 1114, 1021):
                raise BatchRefused(f"MariaDB/MySQL: {why.args[-1]}") from None
            raise mysql_errors.of_query(why) from None


def _each_alone(cursor: Any, names: Names, swaps: Sequence[Swap]) -> frozenset[Key]:
    """Row by row, each by its key; in one transaction all the same."""
    those = " AND ".join(f"{key} = %s" for key in names.keys)
    ask = f"SELECT {names.column} FROM {names.table} WHERE {those}"  # noqa: S608 - names of the password query
    update = f"UPDATE {names.table} SET {names.column} = %s WHERE {those}"  # noqa: S608 - the same
    same = []
    for one in swaps:
        cursor.execute(f"{ask} FOR UPDATE", one.row.key)
        found = cursor.fetchone()
        if found and as_bytes(found[0]) == one.row.stored:
            cursor.execute(update, (one.value, *one.row.key))
            same.append(one)
    now = {}
    for one in same:
        cursor.execute(ask, one.row.key)
        if found := cursor.fetchone():
            now[one.row.key] = as_bytes(found[0])
    if left := not_kept(same, now):
        raise NotKeptError(left)
    return frozenset(one.row.key for one in same)


def _text(value: object) -> str:
    return (as_bytes(value) or b"").decode("utf-8", "replace")
