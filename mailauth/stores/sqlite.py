"""SQLite: the driver, with ``sqlite_client.py`` and ``sqlite_table.py``.

Source: Dovecot 2.3.19.1 and 2.4.1, src/lib-sql/driver-sqlite.c.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mailauth.dovecot.variables import Escape
from mailauth.stores import pasted, sqlite_client, sqlite_table
from mailauth.stores.database import (
    TIMEOUT,
    Ask,
    Database,
    Host,
    NotChangedError,
    RunOne,
    SchemaQueries,
    ServerDownError,
    Session,
    Updating,
    Value,
    streamed,
)
from mailauth.stores.schema import Place

_BUSY = 1.0  # seconds: Dovecot's own


@contextmanager
def _ask(host: Host, _timeout: float, template: str) -> Iterator[tuple[Escape, Ask]]:
    path = Path(host.get("path", ""))
    try:
        with closing(sqlite_client.to_read(path, timeout=_BUSY)) as connection:

            def run(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                cursor = connection.execute(query)
                names = [column[0] for column in cursor.description or ()]
                return names, cursor.fetchmany(2)

            yield _double_quotes, run
    except (sqlite3.Error, sqlite3.Warning, ValueError, OSError) as why:
        raise sqlite_client.refused(why, path, template) from None


def _double_quotes(text: str) -> str:
    return text.replace("'", "''")


def _stream(host: Host) -> Session:
    path = Path(host.get("path", ""))
    try:
        link = sqlite_client.to_read(path, timeout=TIMEOUT)
        sqlite_client.joined_names(link)
    except (sqlite3.Error, ValueError, OSError) as why:
        raise sqlite_client.refused(why, path) from None

    def rows(query: str) -> Iterator[tuple[Value, ...]]:
        try:
            with closing(link.execute(query)) as cursor:
                yield from streamed(cursor)
        except (sqlite3.Error, sqlite3.Warning) as why:
            raise sqlite_client.refused(why, path) from None

    # SQLite keeps any length in any column
    return Session(rows, lambda _query: None, link.close)


@contextmanager
def _change(host: Host) -> Iterator[tuple[Escape, RunOne]]:
    try:
        link = sqlite_client.to_change(Path(host.get("path", "")), timeout=TIMEOUT)
    except OSError as why:
        raise ServerDownError(f"SQLite: the file cannot be opened ({why.strerror})") from None
    except (sqlite3.Error, ValueError) as why:
        raise ServerDownError(f"SQLite: {why}") from None
    with closing(link):
        link.text_factory = bytes

        def run(statement: str, values: Sequence[str | None]) -> tuple[Sequence[Sequence[Any]], int]:
            cursor = link.execute(statement, values)
            return cursor.fetchmany(2), cursor.rowcount

        try:
            sqlite_client.begin(link)
            yield _double_quotes, run
            link.execute("COMMIT")
        except (sqlite3.Error, sqlite3.Warning, ValueError) as why:
            name = str(getattr(why, "sqlite_errorname", ""))
            raise NotChangedError(f"SQLite: {why}", forbidden=name.startswith("SQLITE_READONLY")) from None
        finally:
            if link.in_transaction:
                link.execute("ROLLBACK")


def _declared(place: Place, escape: Escape) -> str:
    table, column = f"'{escape(place.table)}'", f"'{escape(place.column)}'"
    return f"SELECT type AS password FROM pragma_table_info({table}) WHERE name = {column} COLLATE NOCASE"  # noqa: S608 - escaped


def _columns(place: Place, escape: Escape) -> str:
    return f"SELECT group_concat(name) AS password FROM pragma_table_info('{escape(place.table)}')"  # noqa: S608 - escaped


def _client(host: Host) -> tuple[str, ...]:
    path = host.get("path", "")
    return ("sudo", "sqlite3", path) if path.startswith("/") and pasted.is_word(path) else ()


DATABASE = Database(
    name="sqlite",
    urls=("sqlite",),
    modules=("urllib.parse",),
    place=lambda host: f"sqlite {host.get('path', '')}",
    ask=_ask,
    stream=_stream,
    change=_change,
    updating=Updating(mark="?", lock=""),  # the whole file is locked
    table=sqlite_table.Sqlite,
    schema=SchemaQueries(
        declared=_declared,
        columns=_columns,
        named_columns="SELECT group_concat(m.name || ' ' || p.name) AS password FROM sqlite_master AS m"
        " JOIN pragma_table_info(m.name) AS p WHERE lower(p.name) IN ({names})",
        views="SELECT 'x' AS password, name AS user FROM sqlite_master WHERE type = 'view'"
        " AND lower(name) IN ({lower}) AND (lower(sql) GLOB '* where *' OR lower(sql) GLOB '* join *')"
        " ORDER BY 2 LIMIT 1",
    ),
    client=_client,
    without_blanks="replace(replace(replace(replace({0},' ',''),char(9),''),char(10),''),char(13),'')",
    is_file=True,
    beside=("-wal", "-shm"),  # where a log is ahead of it, SQLite marks in them who reads
)
