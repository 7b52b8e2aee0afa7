"""MariaDB/MySQL, PostgreSQL and SQLite: run Dovecot's own password query, read-only, one row.

The query is Dovecot's text with the variables put in by the driver's own escaping, as Dovecot does;
so what is asked is what Dovecot asks.  The session is read-only and bounded in time.

Source: Dovecot 2.3.19.1 and 2.4.1, src/auth/passdb-sql.c; src/lib-sql/driver-*.c.
"""

import importlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.variables import Escape
from mailauth.errors import CannotObserve, NoAnswerInTime
from mailauth.stores import links, mysql_client, refusal, waiting
from mailauth.stores.drivers import psycopg, pymysql
from mailauth.stores.store import Failing, Failure, Outcome, Record, as_bytes, behind_nul

_TIMEOUT = 10  # seconds to connect, and again for the query
_BUSY = 1.0  # seconds: Dovecot's own, src/lib-sql/driver-sqlite.c
_OTHERS = 4  # servers beside the one that answered that are looked at
_OTHERS_TIMEOUT = 2  # seconds to connect to each

Rows = tuple[Sequence[str], Sequence[Sequence[Any]]]
Ask = Callable[[str], Rows]
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


def written(source: SqlSource) -> tuple[str, ...]:
    """The files that reading changes: SQLite marks in them who reads a database with a log ahead of it."""
    if source.driver != "sqlite":
        return ()
    return tuple(f"{host.get('path', '')}{end}" for host in source.hosts for end in ("-wal", "-shm"))


def ask(source: SqlSource, query: Query, *, alike: bool = True) -> Record:
    """Run the query that ``query(escape)`` makes, on the first server that answers.

    To be called where Dovecot lives: paths, sockets and host names are taken as it says them; and as the
    user that Dovecot asks as: ``alike`` says whether we are that user, where it matters.
    What fails for Dovecot, too, is the outcome FAILED.  Raises CannotObserve when it is only we who
    cannot ask, or cannot tell.
    """
    failed: list[Failure] = []
    took = 0.0
    if source.refused:
        place = source.credentials or source.place
        failed.append(Failure(Failing.SETTINGS, place, "", source.refused))
    for number, host in enumerate(source.hosts):
        place = links.place(source, host)
        began = time.monotonic()
        try:
            with _CONNECT[source.driver](host, _TIMEOUT, source.query) as (escape, run):
                names, rows = run(query(escape))
        except refusal.Refusal as why:
            if not alike and why.by_name:
                raise CannotObserve(
                    f"{place}: {why.says}; Dovecot asks as another user.", needs_root=True
                ) from None
            took = time.monotonic() - began
            failed.append(_failure(source, host, why))
            if why.late:
                return Record(Outcome.UNKNOWN_USER, place, failure=failed.pop(), beside=tuple(failed))
            if why.kind not in _OF_THE_SERVER:
                break
            continue
        took = time.monotonic() - began
        others = source.hosts[number + 1 :][:_OTHERS]
        failed += [bad for other in others if (bad := _reach(source, other))]
        record = (_row if source.userdb else _record)(names, rows, place)
        return replace(record, seconds=took, beside=tuple(failed))
    if not failed:
        raise CannotObserve(f"{source.place}: no server is named.")
    last = failed.pop()
    return Record(Outcome.FAILED, last.place, failure=last, beside=tuple(failed), seconds=took)


# With these Dovecot goes on to the next server; what is wrong in the query is wrong on all.
_OF_THE_SERVER = frozenset(
    {*(Failing.DOWN, Failing.CREDENTIALS, Failing.CONNECTIONS, Failing.DATABASE, Failing.SLOW), Failing.TLS}
)


def _failure(source: SqlSource, host: dict[str, str], why: refusal.Refusal) -> Failure:
    place = links.place(source, host)
    lets_in = _WITH_TLS.get(source.driver)
    with_tls = lets_in is not None and why.kind is Failing.CREDENTIALS and lets_in(host)
    of_account = why.kind is Failing.CREDENTIALS and source.driver == "mysql"
    account = mysql_client.account_from(host) if of_account else ""
    return Failure(why.kind, place, why.code, why.says, with_tls=with_tls, account=account, waits=why.waits)


def patience(source: SqlSource) -> float:
    """Seconds in which ``ask`` comes to its end, unless a server goes on without one."""
    return 2.0 * _TIMEOUT * (len(source.hosts) or 1) + 2.0 * _OTHERS_TIMEOUT * _OTHERS


def late(source: SqlSource) -> Record:
    """What to say where ``ask`` has not: a server that took the connection, and then never ended its answer.

    Neither libpq nor PyMySQL has a limit for an answer as a whole.  Raises NoAnswerInTime where it is not
    known which server that was.
    """
    says = f"no answer came to its end within {patience(source):.0f} s"
    if len(source.hosts) != 1:
        raise NoAnswerInTime(f"{source.place}: {says}.")
    place = links.place(source, source.hosts[0])
    return Record(Outcome.FAILED, place, failure=Failure(Failing.SLOW, place, "", says))


def _reach(source: SqlSource, host: dict[str, str]) -> Failure | None:
    """Why another server of the list cannot be used; None when it can, or we cannot tell."""
    with suppress(CannotObserve):
        try:
            with _CONNECT[source.driver](host, _OTHERS_TIMEOUT, ""):
                pass
        except refusal.Refusal as why:
            return _failure(source, host, why)
    return None


def _record(names: Sequence[str], rows: Sequence[Sequence[Any]], place: str) -> Record:
    """The row as Dovecot takes it: exactly one, with a field named password.

    Of several such fields the first counts that is not NULL.  Source: sql_query_callback(), Dovecot 2.3.19.1
    src/auth/passdb-sql.c; auth_request_set_password(), auth-request.c.
    """
    passwords = [number for number, name in enumerate(names) if name in _PASSWORDS]
    if not passwords or (len(rows) > 1):
        kind = Failing.ROWS if passwords else Failing.NO_FIELD
        outcome = Outcome.FAILED if rows else Outcome.UNKNOWN_USER
        return Record(outcome, place, failure=Failure(kind, place, "", _NOT_TAKEN[kind]))
    if not rows:
        return Record(Outcome.UNKNOWN_USER, place)
    record = _row(names, rows, place)
    given = [number for number in passwords if rows[0][number] is not None]
    if not given:
        return replace(record, outcome=Outcome.NO_PASSWORD)
    stored = as_bytes(rows[0][given[0]]) or b""
    noscheme = names[given[0]] == "password_noscheme"
    before = sum(1 for name, value in zip(names[: given[0]], rows[0], strict=False) if _is_field(name, value))
    behind = behind_nul(rows[0][given[0]])
    return replace(record, stored=stored, noscheme=noscheme, ahead=before, behind=behind)


_PASSWORDS = ("password", "password_noscheme")
_NOT_TAKEN = {
    Failing.NO_FIELD: "the password query must return a field named 'password'",
    Failing.ROWS: "the password query returned several rows; Dovecot refuses that",
}


def _row(names: Sequence[str], rows: Sequence[Sequence[Any]], place: str) -> Record:
    """The fields of the first row, in the query's order."""
    if not rows:
        return Record(Outcome.UNKNOWN_USER, place)
    values = tuple(
        (name, _text(value)) for name, value in zip(names, rows[0], strict=True) if _is_field(name, value)
    )
    fields = tuple(dict.fromkeys(name for name, _ in values if name != "user"))
    return Record(Outcome.FOUND, place, fields=fields, values=values)


def _is_field(name: str, value: object) -> bool:
    return name not in ("", *_PASSWORDS) and value is not None


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


@contextmanager
def _sqlite(host: dict[str, str], _timeout: float, template: str) -> Iterator[tuple[Escape, Ask]]:
    path = Path(host.get("path", ""))
    try:
        with closing(links.sqlite_to_read(path, timeout=_BUSY)) as connection:

            def run(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                cursor = connection.execute(query)
                names = [column[0] for column in cursor.description or ()]
                return names, cursor.fetchmany(2)

            yield _double_quotes, run
    except (sqlite3.Error, sqlite3.Warning, ValueError, OSError) as why:
        raise refusal.of_sqlite(why, path, template) from None


def _double_quotes(text: str) -> str:
    return text.replace("'", "''")


@contextmanager
def _pgsql(host: dict[str, str], timeout: int, template: str) -> Iterator[tuple[Escape, Ask]]:
    connection = links.pgsql(host, connect=timeout, autocommit=True, read_only=True)
    try:
        with connection:
            raw = connection.pgconn
            # a session behind pgbouncer is another's after this transaction
            connection.execute(_NO_LONGER, (links.is_pooled(connection),))

            def escape(text: str) -> str:
                return (
                    psycopg.pq.Escaping(raw)
                    .escape_string(text.encode("utf-8", "surrogateescape"))
                    .decode("utf-8", "surrogateescape")
                )

            def run(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                try:
                    # no parameters: a % stays a %
                    cursor = connection.execute(query.encode("utf-8", "surrogateescape"))
                except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as why:
                    refused = refusal.of_pgsql(why, template)
                    raise refusal.waiting(refused, lambda: waiting.in_pgsql(connection, template)) from None
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
        raise refusal.of_pgsql(why, template) from None


@contextmanager
def _mysql(host: dict[str, str], timeout: int, template: str) -> Iterator[tuple[Escape, Ask]]:
    problems = (pymysql.Error, OSError, ValueError, RuntimeError)
    # what the server sends as it is, which is what Dovecot gets
    raw = {kind: how for kind, how in pymysql.converters.conversions.items() if not isinstance(kind, int)}
    connection = mysql_client.connect(host, seconds=timeout, read=_TIMEOUT, use_unicode=False, conv=raw)
    try:
        with closing(connection):
            connection.query("SET SESSION TRANSACTION READ ONLY")
            number = connection.thread_id()

            def again() -> Any:
                return mysql_client.connect(host, seconds=_OTHERS_TIMEOUT, read=_OTHERS_TIMEOUT)

            def run(query: str) -> Rows:
                # unbuffered, to tell what is refused from what breaks off while the rows are read
                cursor = connection.cursor(pymysql.cursors.SSCursor)
                waits: list[str] = []
                try:
                    with waiting.watched(lambda: waiting.in_mysql(number, again), _TIMEOUT / 2) as waits:
                        cursor.execute(query.encode("utf-8", "surrogateescape"))
                except problems as why:
                    by_definer = why.args and why.args[0] in refusal.BY_DEFINER
                    views = _views(connection, template) if by_definer else ()
                    refused = refusal.of_mysql(why, template, views=views)
                    raise refusal.waiting(refused, lambda: "".join(waits)) from None
                names = [column[0] for column in cursor.description or ()]
                try:
                    return names, cursor.fetchmany(2) if names else ()
                except problems as why:
                    # Then Dovecot takes it for a query without a row: driver_mysql_query_s() asks
                    # mysql_next_result() before it asks for the error, which that clears.  Measured.
                    raise refusal.of_mysql(why, template, late=True) from None

            # escape() quotes, too; it honours the server's NO_BACKSLASH_ESCAPES
            yield lambda text: connection.escape(text)[1:-1], run
    except problems as why:
        raise refusal.of_mysql(why, template) from None


def _views(connection: Any, template: str) -> tuple[str, ...]:
    """Those of the database's views that the query names."""
    words = set(re.findall(r"\w+", template))
    with suppress(Exception), connection.cursor() as cursor:  # it is no more than a help
        cursor.execute("SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()")
        found = [_text(row[0]) for row in cursor.fetchall()]
        return tuple(name for name in found if name in words)
    return ()


def _pgsql_with_tls(host: dict[str, str]) -> bool:
    if host.get("sslmode") not in ("disable", "allow"):
        return False
    with suppress(CannotObserve):
        links.pgsql({**host, "sslmode": "require"}, connect=_OTHERS_TIMEOUT).close()
        return True
    return False


# Whether the server lets the same user in with TLS.
_WITH_TLS: dict[str, Callable[[dict[str, str]], bool]] = {
    "pgsql": _pgsql_with_tls,
    "mysql": lambda host: mysql_client.with_tls(host, _OTHERS_TIMEOUT),
}
# Our own limit, unless the server has a shorter one: that ends Dovecot's query, too.
_NO_LONGER = (
    f"SELECT set_config('statement_timeout', '{_TIMEOUT}s', %s::boolean) WHERE NOT"
    f" current_setting('statement_timeout')::interval BETWEEN '1 ms'::interval AND '{_TIMEOUT} s'::interval"
)

# with what they import only when they are used, which may be where nothing of ours can be found
_ENCODINGS = tuple(f"encodings.{name}" for name in ("idna", "latin_1", "iso8859_1", "iso8859_15", "cp1252"))
_MODULES = {
    "sqlite": ("urllib.parse",),
    "pgsql": ("psycopg", "psycopg.conninfo", "select", *_ENCODINGS),
    "mysql": ("pymysql.cursors", *_ENCODINGS),
}
_CONNECT: dict[str, Any] = {"sqlite": _sqlite, "pgsql": _pgsql, "mysql": _mysql}
