"""Read many rows of a database in bounded memory: read-only, as a stream.

Unlike ``sql``, which asks for one row as Dovecot does, this one asks questions of our own making.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve
from mailauth.stores import links, mysql_client, refusal, sql
from mailauth.stores.drivers import psycopg, pymysql
from mailauth.stores.rows import Column
from mailauth.stores.store import as_bytes

_CONNECT = 10  # seconds
_SECONDS = 300  # for one question
_AT_ONCE = 10_000  # rows that are here at the same time
# JIT takes PostgreSQL longer than all it saves here: 0.8 s in each process (measured).  Before 13, groups
# made by hashing had no bound in memory.  A setting that a version lacks cannot be set.
_PGSQL_SET = (
    "SELECT set_config(name, 'off', TRUE) FROM pg_settings WHERE name = 'jit'"
    " OR (name = 'enable_hashagg' AND current_setting('server_version_num')::int < 130000)"
)

Value = bytes | int | None
Stream = Callable[[str], Iterator[tuple[Value, ...]]]


@dataclass(frozen=True, slots=True)
class Link:
    """An open session: ``rows`` streams a query's answer, ``column`` says what its first column is."""

    place: str
    rows: Stream
    column: Callable[[str], Column | None]


@contextmanager
def opened(source: SqlSource) -> Iterator[Link]:
    """On the first server that answers, where Dovecot lives.  Raises CannotObserve."""
    sql.prepare(source)
    problem = CannotObserve(f"{source.place}: no server is named.")
    for host in source.hosts:
        place = links.place(source, host)
        try:
            rows, column, close = _OPEN[source.driver](host)
        except refusal.Refusal as why:
            needs_root = why.by_name and os.geteuid() != 0
            problem = CannotObserve(f"{place}: {why.says}.", needs_root=needs_root)
            continue
        try:
            yield Link(place, rows, column)
        except refusal.Refusal as why:
            raise CannotObserve(f"{place}: {why.says}.") from None
        finally:
            with suppress(Exception):
                close()
        return
    raise problem


Session = tuple[Stream, Callable[[str], Column | None], Callable[[], None]]


def _value(value: Any) -> Value:
    return value if isinstance(value, int) else as_bytes(value)


def _streamed(cursor: Any) -> Iterator[tuple[Value, ...]]:
    while rows := cursor.fetchmany(_AT_ONCE):
        for row in rows:
            yield tuple(map(_value, row))


def _sqlite(host: dict[str, str]) -> Session:
    path = Path(host.get("path", ""))
    try:
        link = links.sqlite_to_read(path, timeout=_CONNECT)
        links.joined_names(link)
    except (sqlite3.Error, ValueError, OSError) as why:
        raise refusal.of_sqlite(why, path) from None

    def rows(query: str) -> Iterator[tuple[Value, ...]]:
        try:
            with closing(link.execute(query)) as cursor:
                yield from _streamed(cursor)
        except (sqlite3.Error, sqlite3.Warning) as why:
            raise refusal.of_sqlite(why, path) from None

    # SQLite keeps any length in any column
    return rows, lambda _query: None, link.close


_COPIED = dict(zip(b"\\tnrbfv", b"\\\t\n\r\b\f\v", strict=True))
_ESCAPE = re.compile(rb"\\.")


def _copied(field: bytes) -> Value:
    """A field of COPY's text form."""
    if b"\\" not in field:
        return field
    return None if field == rb"\N" else _ESCAPE.sub(lambda found: bytes([_COPIED[found[0][1]]]), field)


def _pgsql(host: dict[str, str]) -> Session:
    options = f"-c statement_timeout={_SECONDS * 1000}"
    link = links.pgsql(host, options, connect=_CONNECT, read_only=True)
    try:
        link.execute(_PGSQL_SET)
    except psycopg.Error as why:
        link.close()
        raise refusal.of_pgsql(why) from None

    def rows(query: str) -> Iterator[tuple[Value, ...]]:
        try:
            # COPY, as a cursor of the server's would keep it from counting with several processes
            asked = f"COPY ({query}) TO STDOUT".encode()
            with link.cursor() as cursor, cursor.copy(asked) as copy:
                for line in copy:
                    yield tuple(map(_copied, bytes(line).removesuffix(b"\n").split(b"\t")))
        except (psycopg.Error, UnicodeError) as why:
            raise refusal.of_pgsql(why) from None

    def column(query: str) -> Column | None:
        try:
            with link.cursor() as cursor:
                cursor.execute(query.encode())
                found = (cursor.description or [])[0]
        except (psycopg.Error, UnicodeError) as why:
            raise refusal.of_pgsql(why) from None
        return Column(found.type_display, found.display_size)

    return rows, column, link.close


_MYSQL_TEXTS = {252: "TEXT", 253: "VARCHAR", 254: "CHAR"}
_UTF8MB4 = 4  # bytes a character


def _mysql(host: dict[str, str]) -> Session:
    link = mysql_client.connect(host, seconds=_CONNECT, read=_SECONDS)
    try:
        with link.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
    except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
        raise refusal.of_mysql(why) from None

    def rows(query: str) -> Iterator[tuple[Value, ...]]:
        try:
            with link.cursor(pymysql.cursors.SSCursor) as cursor:
                cursor.execute(query)
                yield from _streamed(cursor)
        except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
            raise refusal.of_mysql(why) from None

    def column(query: str) -> Column | None:
        try:
            with link.cursor() as cursor:
                cursor.execute(query)
                found = cursor.description[0]
        except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
            raise refusal.of_mysql(why) from None
        kind = _MYSQL_TEXTS.get(found[1])
        return Column(kind, None if kind == "TEXT" else found[3] // _UTF8MB4) if kind else None

    return rows, column, link.close


_OPEN: dict[str, Callable[[dict[str, str]], Session]] = {"sqlite": _sqlite, "pgsql": _pgsql, "mysql": _mysql}
