"""Write one row of a database: lock it, compare it, write it, read it again; all in one transaction.

Both strings are compared here, not in SQL: servers log statements with their values.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.variables import Escape, Fill
from mailauth.errors import CannotObserve, Refused, RowChanged
from mailauth.stores import links, mysql_client, refusal
from mailauth.stores.drivers import psycopg, pymysql
from mailauth.stores.query import PlainSelect
from mailauth.stores.store import as_bytes

_TIMEOUT = 10  # seconds to connect, and to wait for an answer, or for SQLite's lock
_LOCK = 5  # seconds to wait for a row that another has locked

Rows = Sequence[Sequence[Any]]
Run = Callable[[str, Sequence[str | None]], tuple[Rows, int]]
"""Runs a statement with its values; returns its rows, at most two, and how many rows it changed."""


class _Down(Exception):  # noqa: N818 - the next server may be up
    """This server could not be reached."""


class _Failed(Exception):  # noqa: N818 - it becomes Refused once the place is known
    """The server refused; ``forbidden``: because this account may not write.

    ``changed``: the row is not any more what was read.
    """

    def __init__(self, says: str, *, forbidden: bool = False, changed: bool = False) -> None:
        super().__init__(says)
        self.forbidden, self.changed = forbidden, changed


def change(
    source: SqlSource,
    select: PlainSelect,
    fill: Fill,
    old: bytes | None,
    new: bytes | None,
) -> str:
    """Write ``new`` where ``old`` is; returns the place.  Raises Refused, with nothing changed."""
    down = "no server is named"
    for host in source.hosts:
        place = links.place(source, host)
        try:
            with _CONNECT[source.driver](host) as (escape, run):
                _change(source, select, fill(select.where, escape), run, (old, new))
        except _Down as why:
            down = f"{place}: {why}"
            continue
        except _Failed as why:
            says = str(why)
            for secret in (old, new):
                says = says.replace(secret.decode("utf-8", "replace"), "...") if secret else says
            said = f"{place}: {says}; nothing was changed."
            if why.forbidden:
                statement = to_run(select.tables, select.column, select.where)
                said += f" As the database's administrator run: {statement}"
            raise (RowChanged if why.changed else Refused)(said) from None
        return place
    raise Refused(f"{down}; nothing was changed.")


def to_run(table: str, column: str, where: str) -> str:
    """What an administrator would run, with placeholders where the strings go."""
    return f"UPDATE {table} SET {column} = '<new string>' WHERE ({where}) AND {column} = '<old string>';"  # noqa: S608 - to be read


def _change(
    source: SqlSource,
    select: PlainSelect,
    where: str,
    run: Run,
    values: tuple[bytes | None, bytes | None],
) -> None:
    """In a transaction that the caller commits when we return, and rolls back when we raise."""
    old, new = values
    # A line of its own: the condition may end in a comment.
    those = f"{select.tables} WHERE (\n{where}\n)"
    lock = "" if source.driver == "sqlite" else " FOR UPDATE"
    rows, _ = run(f"SELECT {select.column} FROM {those}{lock}", ())  # noqa: S608 - the password query's own words
    if len(rows) != 1:
        many = "no row" if not rows else "several rows"
        raise _Failed(f"the password query's condition names {many} now", changed=not rows)
    if as_bytes(rows[0][0]) != old:
        raise _Failed("the row was changed by someone else since it was read", changed=True)
    if source.driver == "mysql":
        _need_transactions(select.tables, run)
    column = select.column.rpartition(".")[2] if source.driver == "pgsql" else select.column
    text = None if new is None else new.decode()
    mark = _MARK[source.driver]
    if source.driver == "mysql":
        where = where.replace("%", "%%")  # pymysql's own mark
    _, count = run(f"UPDATE {select.tables} SET {column} = {mark} WHERE (\n{where}\n)", (text,))  # noqa: S608 - the same
    if count != 1:
        raise _Failed(f"{count} rows would have been changed instead of one")
    rows, _ = run(f"SELECT {select.column} FROM {those}", ())  # noqa: S608 - the same
    if len(rows) != 1 or as_bytes(rows[0][0]) != new:
        raise _Failed("the column does not keep the new string as it is (see its type and width)")


def _need_transactions(table: str, run: Run) -> None:
    """MyISAM, for one, takes nothing back."""
    if links.mysql_without_transactions(table, lambda query, values: run(query, values)[0]):
        raise _Failed("the table's engine has no transactions, so a change could not be taken back")


@contextmanager
def _sqlite(host: dict[str, str]) -> Iterator[tuple[Escape, Run]]:
    try:
        uri = f"{Path(host.get('path', '')).as_uri()}?mode=rw"
        link = sqlite3.connect(uri, uri=True, timeout=_TIMEOUT, isolation_level=None)
    except (sqlite3.Error, ValueError) as why:
        raise _Down(f"SQLite: {why}") from None
    with closing(link):
        link.text_factory = bytes

        def run(statement: str, values: Sequence[str | None]) -> tuple[Rows, int]:
            cursor = link.execute(statement, values)
            return cursor.fetchmany(2), cursor.rowcount

        try:
            link.execute("BEGIN IMMEDIATE")
            yield lambda text: text.replace("'", "''"), run
            link.execute("COMMIT")
        except (sqlite3.Error, sqlite3.Warning, ValueError) as why:
            name = str(getattr(why, "sqlite_errorname", ""))
            raise _Failed(f"SQLite: {why}", forbidden=name.startswith("SQLITE_READONLY")) from None
        finally:
            if link.in_transaction:
                link.execute("ROLLBACK")


@contextmanager
def _pgsql(host: dict[str, str]) -> Iterator[tuple[Escape, Run]]:
    wait = _TIMEOUT * 1000
    options = f"-c statement_timeout={wait} -c lock_timeout={_LOCK * 1000}"
    try:
        link = links.pgsql(host, options, connect=_TIMEOUT)
    except CannotObserve as why:
        raise _Down(str(why).rstrip(".")) from None
    try:
        with link:  # commits, or rolls back when anything is raised
            raw = link.pgconn

            def run(statement: str, values: Sequence[str | None]) -> tuple[Rows, int]:
                cursor = psycopg.RawCursor(link)  # $1; a % stays a %
                cursor.execute(statement.encode(), values)
                return cursor.fetchmany(2) if cursor.description else (), cursor.rowcount

            yield lambda text: psycopg.pq.Escaping(raw).escape_string(text.encode()).decode(), run
    except (psycopg.Error, UnicodeError) as why:
        code = getattr(why, "sqlstate", "")
        # insufficient_privilege, read_only_sql_transaction
        raise _Failed(
            f"PostgreSQL: {refusal.first_line(why)}", forbidden=code in ("42501", "25006")
        ) from None


@contextmanager
def _mysql(host: dict[str, str]) -> Iterator[tuple[Escape, Run]]:
    problems = (pymysql.Error, OSError, ValueError, RuntimeError)
    try:
        link = mysql_client.connect(
            host,
            seconds=_TIMEOUT,
            read=2 * _TIMEOUT,
            write_timeout=_TIMEOUT,
            autocommit=False,
            client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
        )
    except CannotObserve as why:
        raise _Down(str(why).rstrip(".")) from None
    with closing(link), link.cursor() as cursor:  # closing rolls back what was not committed

        def run(statement: str, values: Sequence[str | None]) -> tuple[Rows, int]:
            cursor.execute(statement, values or None)
            return cursor.fetchmany(2) if cursor.description else (), cursor.rowcount

        try:
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {_LOCK}")
            # escape() quotes, too; it honours the server's NO_BACKSLASH_ESCAPES
            yield lambda text: link.escape(text)[1:-1], run
            link.commit()
        except problems as why:
            code = why.args[0] if why.args else 0
            # table and column access denied; --read-only; a read-only transaction
            raise _Failed(
                f"MariaDB/MySQL: {_last(why)}", forbidden=code in (1142, 1143, 1290, 1792)
            ) from None


def _last(why: Exception) -> str:
    return str(why.args[-1] if why.args else why).rstrip(".")


_MARK = {"sqlite": "?", "pgsql": "$1", "mysql": "%s"}
_CONNECT = {"sqlite": _sqlite, "pgsql": _pgsql, "mysql": _mysql}
