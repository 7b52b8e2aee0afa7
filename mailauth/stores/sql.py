"""MariaDB/MySQL, PostgreSQL and SQLite: run Dovecot's own password query, read-only, one row.

The query is Dovecot's text with the variables put in by the driver's own escaping, as Dovecot does;
so what is asked is what Dovecot asks.  The session is read-only and bounded in time.

Source: Dovecot 2.3.19.1 and 2.4.1, src/auth/passdb-sql.c; src/lib-sql/driver-*.c.
"""

import importlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.variables import Escape
from mailauth.errors import AS_ROOT, CannotObserve
from mailauth.stores import links, refusal
from mailauth.stores.store import Failing, Failure, Outcome, Record, as_bytes

_TIMEOUT = 10  # seconds to connect, and again for the query
_BUSY = 1.0  # seconds: Dovecot's own, src/lib-sql/driver-sqlite.c
_OTHERS = 4  # servers beside the one that answered that are looked at
_OTHERS_TIMEOUT = 2  # seconds to connect to each

Ask = Callable[[str], tuple[Sequence[str], Sequence[Sequence[Any]]]]
Query = Callable[[Escape], str]


def prepare(source: SqlSource) -> None:
    """Import the driver: before entering a root where it cannot be found."""
    for module in _MODULES[source.driver]:
        importlib.import_module(module)


def lookup(source: SqlSource, query: Query) -> Record:
    """As ``ask``, for those who need an answer: raises CannotObserve also when the store fails."""
    record = ask(source, query)
    if record.failure:
        raise CannotObserve(f"{record.failure.place}: {record.failure.says}.")
    return record


def is_local(source: SqlSource) -> bool:
    """It is a file or a socket: then who asks can matter, not only with which password."""
    hosts = [host.get("hostaddr") or host.get("host") or "" for host in source.hosts]
    return source.driver == "sqlite" or any(host in ("", "localhost") or host[0] == "/" for host in hosts)


def ask(source: SqlSource, query: Query, *, alike: bool = True) -> Record:
    """Run the query that ``query(escape)`` makes, on the first server that answers.

    To be called where Dovecot lives: paths, sockets and host names are taken as it says them; and as the
    user that Dovecot asks as: ``alike`` says whether we are that user, where it matters.
    What fails for Dovecot, too, is the outcome FAILED.  Raises CannotObserve when it is only we who
    cannot ask, or cannot tell.
    """
    failed: list[Failure] = []
    took = 0.0
    for number, host in enumerate(source.hosts):
        place = links.place(source, host)
        began = time.monotonic()
        try:
            with _CONNECT[source.driver](host, _TIMEOUT) as (escape, run):
                names, rows = run(query(escape))
        except refusal.Refusal as why:
            if not alike and why.by_name:
                raise CannotObserve(
                    f"{place}: {why.says}; Dovecot asks as another user; {AS_ROOT}."
                ) from None
            took = time.monotonic() - began
            failed.append(Failure(why.kind, place, why.code, why.says))
            if why.kind not in _OF_THE_SERVER:
                break
            continue
        took = time.monotonic() - began
        others = source.hosts[number + 1 :][:_OTHERS]
        failed += [bad for other in others if (bad := _reach(source, other))]
        return replace(_record(names, rows, place), seconds=took, beside=tuple(failed))
    if not failed:
        raise CannotObserve(f"{source.place}: no server is named.")
    last = failed.pop()
    return Record(Outcome.FAILED, last.place, failure=last, beside=tuple(failed), seconds=took)


# With these Dovecot goes on to the next server; what is wrong in the query is wrong on all.
_OF_THE_SERVER = frozenset(
    {Failing.DOWN, Failing.CREDENTIALS, Failing.CONNECTIONS, Failing.DATABASE, Failing.SLOW}
)


def _reach(source: SqlSource, host: dict[str, str]) -> Failure | None:
    """Why another server of the list cannot be used; None when it can, or we cannot tell."""
    with suppress(CannotObserve):
        try:
            with _CONNECT[source.driver](host, _OTHERS_TIMEOUT):
                pass
        except refusal.Refusal as why:
            return Failure(why.kind, links.place(source, host), why.code, why.says)
    return None


def _record(names: Sequence[str], rows: Sequence[Sequence[Any]], place: str) -> Record:
    """The row as Dovecot takes it: exactly one, with a field named password."""
    column = next((name for name in ("password", "password_noscheme") if name in names), None)
    if column is None:
        says = "the password query must return a field named 'password'"
        return Record(Outcome.FAILED, place, failure=Failure(Failing.NO_FIELD, place, "", says))
    if not rows:
        return Record(Outcome.UNKNOWN_USER, place)
    if len(rows) > 1:
        says = "the password query returned several rows; Dovecot refuses that"
        return Record(Outcome.FAILED, place, failure=Failure(Failing.ROWS, place, "", says))
    row = dict(zip(names, rows[0], strict=True))
    values = tuple(
        (name, _text(value)) for name, value in row.items() if name not in ("", column) and value is not None
    )
    fields = tuple(name for name, _ in values if name != "user")
    before = names[: names.index(column)]
    ahead = sum(name in before for name, _ in values)
    stored = as_bytes(row[column])
    if stored is None:
        return Record(Outcome.NO_PASSWORD, place, fields=fields, values=values)
    return Record(Outcome.FOUND, place, stored, fields, column == "password_noscheme", values, ahead=ahead)


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


@contextmanager
def _sqlite(host: dict[str, str], _timeout: float) -> Iterator[tuple[Escape, Ask]]:
    path = Path(host.get("path", ""))
    try:
        with closing(links.sqlite_to_read(path, timeout=_BUSY)) as connection:

            def run(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                cursor = connection.execute(query)
                names = [column[0] for column in cursor.description or ()]
                return names, cursor.fetchmany(2)

            yield _double_quotes, run
    except (sqlite3.Error, sqlite3.Warning, ValueError, OSError) as why:
        raise refusal.of_sqlite(why, path) from None


def _double_quotes(text: str) -> str:
    return text.replace("'", "''")


@contextmanager
def _pgsql(host: dict[str, str], timeout: int) -> Iterator[tuple[Escape, Ask]]:
    import psycopg  # noqa: PLC0415 - 0.1 s that only those who use it should pay
    from psycopg.pq import Escaping  # noqa: PLC0415

    options = "-c default_transaction_read_only=on"
    connection = links.pgsql(host, options, connect=timeout, autocommit=True)
    try:
        with connection:
            raw = connection.pgconn
            connection.execute(_NO_LONGER)

            def escape(text: str) -> str:
                return Escaping(raw).escape_string(text.encode()).decode()

            def run(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                cursor = connection.execute(query.encode())  # no parameters: a % stays a %
                names = [column.name for column in cursor.description or ()]
                result = cursor.pgresult
                found = result.ntuples if result else 0
                # The text of each value, as Dovecot gets it: that of bytea is "\\x" and hex.
                texts = [
                    [result.get_value(i, j) for j in range(len(names))]
                    for i in range(min(found, 2))
                    if result
                ]
                return names, texts

            yield escape, run
    except (psycopg.Error, UnicodeError) as why:
        raise refusal.of_pgsql(why) from None


@contextmanager
def _mysql(host: dict[str, str], timeout: int) -> Iterator[tuple[Escape, Ask]]:
    import pymysql  # noqa: PLC0415 - 0.1 s that only those who use it should pay

    connection = links.mysql(host, connect=timeout, read=_TIMEOUT)
    try:
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")

            def run(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                cursor.execute(query)
                names = [column[0] for column in cursor.description or ()]
                return names, cursor.fetchmany(2)

            # escape() quotes, too; it honours the server's NO_BACKSLASH_ESCAPES
            yield lambda text: connection.escape(text)[1:-1], run
    except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
        raise refusal.of_mysql(why, on_socket=links.mysql_socket(host) is not None) from None


# Our own limit, unless the server has a shorter one: that ends Dovecot's query, too.
_NO_LONGER = (
    f"SELECT set_config('statement_timeout', '{_TIMEOUT}s', false) WHERE NOT"
    f" current_setting('statement_timeout')::interval BETWEEN '1 ms'::interval AND '{_TIMEOUT} s'::interval"
)

# with what they import only when they are used, which may be where nothing of ours can be found
_MODULES = {
    "sqlite": ("urllib.parse",),
    "pgsql": ("psycopg", "psycopg.conninfo", "select", "encodings.idna"),
    "mysql": ("pymysql", "encodings.idna"),
}
_CONNECT = {"sqlite": _sqlite, "pgsql": _pgsql, "mysql": _mysql}
