"""MariaDB/MySQL, PostgreSQL and SQLite: run Dovecot's own password query, read-only, one row.

The query is Dovecot's text with the variables put in by the driver's own escaping, as Dovecot does;
so what is asked is what Dovecot asks.  The session is read-only and bounded in time.

Source: Dovecot 2.3.19.1 and 2.4.1, src/auth/passdb-sql.c; src/lib-sql/driver-*.c.
"""

import importlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.variables import Escape
from mailauth.errors import CannotObserve
from mailauth.stores.store import Outcome, Record

_TIMEOUT = 10  # seconds to connect, and again for the query

Ask = Callable[[str], tuple[Sequence[str], Sequence[Sequence[Any]]]]


def prepare(source: SqlSource) -> None:
    """Import the driver: before entering a root where it cannot be found."""
    for module in _MODULES[source.driver]:
        importlib.import_module(module)


def lookup(source: SqlSource, query: Callable[[Escape], str]) -> Record:
    """Run the query that ``query(escape)`` makes, on the first server that answers.

    To be called where Dovecot lives: paths, sockets and host names are taken as it says them.
    Raises CannotObserve when no server answers, when the query fails, or when its answer is one that
    Dovecot cannot use.
    """
    problem = f"{source.place}: no server is named."
    for host in source.hosts:
        place = f"{source.driver} {_address(source, host)}"
        try:
            with _CONNECT[source.driver](host) as (escape, ask):
                names, rows = ask(query(escape))
        except CannotObserve as why:
            problem = f"{place}: {why}"
            continue
        return _record(names, rows, place)
    raise CannotObserve(problem)


def _record(names: Sequence[str], rows: Sequence[Sequence[Any]], place: str) -> Record:
    """The row as Dovecot takes it: exactly one, with a field named password."""
    if not rows:
        return Record(Outcome.UNKNOWN_USER, place)
    if len(rows) > 1:
        raise CannotObserve(f"{place}: the password query returned several rows; Dovecot refuses that.")
    row = dict(zip(names, rows[0], strict=True))
    column = next((name for name in ("password", "password_noscheme") if name in row), None)
    if column is None:
        raise CannotObserve(f"{place}: the password query must return a field named 'password'.")
    fields = tuple(name for name, value in row.items() if name not in ("user", column) and value is not None)
    value = row[column]
    if value is None:
        return Record(Outcome.NO_PASSWORD, place, fields=fields)
    stored = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    # Dovecot reads C strings
    noscheme = column == "password_noscheme"
    return Record(Outcome.FOUND, place, stored.split(b"\0", 1)[0], fields, noscheme)


def _address(source: SqlSource, host: dict[str, str]) -> str:
    if source.driver == "sqlite":
        return host.get("path", "")
    where = host.get("host", "localhost")
    port = f":{host['port']}" if host.get("port") else ""
    return f"{where}{port}/{host.get('dbname', '')}"


@contextmanager
def _sqlite(host: dict[str, str]) -> Iterator[tuple[Escape, Ask]]:
    path = Path(host.get("path", ""))
    # Nobody has a write-ahead log open: then nothing need be locked, and no file beside it be made.
    quiet = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    try:
        uri = f"{path.as_uri()}?mode=ro{quiet}"
        with closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT)) as connection:
            connection.text_factory = bytes

            def ask(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                cursor = connection.execute(query)
                names = [column[0] for column in cursor.description or ()]
                return names, cursor.fetchmany(2)

            yield _double_quotes, ask
    except (sqlite3.Error, sqlite3.Warning, ValueError) as why:
        raise CannotObserve(f"SQLite: {why}.") from None


def _double_quotes(text: str) -> str:
    return text.replace("'", "''")


@contextmanager
def _pgsql(host: dict[str, str]) -> Iterator[tuple[Escape, Ask]]:
    import psycopg  # noqa: PLC0415 - 0.1 s that only those who use it should pay
    from psycopg.pq import Escaping  # noqa: PLC0415

    parameters: dict[str, Any] = {key: value for key, value in host.items() if value}
    parameters.setdefault("connect_timeout", str(_TIMEOUT))
    parameters["options"] = (
        f"{parameters.get('options', '')} -c default_transaction_read_only=on"
        f" -c statement_timeout={_TIMEOUT * 1000}"
    ).strip()
    try:
        with psycopg.connect(**parameters, autocommit=True) as connection:
            raw = connection.pgconn

            def escape(text: str) -> str:
                return Escaping(raw).escape_string(text.encode()).decode()

            def ask(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                cursor = connection.execute(query.encode())  # no parameters: a % stays a %
                names = [column.name for column in cursor.description or ()]
                return names, cursor.fetchmany(2)

            yield escape, ask
    except (psycopg.Error, UnicodeError) as why:
        raise CannotObserve(f"PostgreSQL: {_first_line(why)}.") from None


@contextmanager
def _mysql(host: dict[str, str]) -> Iterator[tuple[Escape, Ask]]:
    import pymysql  # noqa: PLC0415 - 0.1 s that only those who use it should pay

    name = host.get("host", "localhost")
    socket = name if name.startswith("/") else None
    if name == "localhost" and not socket:
        # The C client takes "localhost" for its socket
        socket = next((path for path in _MYSQL_SOCKETS if Path(path).exists()), None)
    options: dict[str, Any] = {}
    if file := host.get("option_file"):
        options |= {"read_default_file": file, "read_default_group": host.get("option_group")}
    if ca := host.get("ssl_ca"):
        options["ssl"] = {"ca": ca}
    try:
        connection = pymysql.connect(
            host=name,
            unix_socket=socket,
            port=int(host.get("port") or 3306),
            user=host.get("user"),
            password=host.get("password", ""),
            database=host.get("dbname"),
            charset="utf8mb4",
            connect_timeout=_TIMEOUT,
            read_timeout=_TIMEOUT,
            **options,
        )
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")

            def ask(query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
                cursor.execute(query)
                names = [column[0] for column in cursor.description or ()]
                return names, cursor.fetchmany(2)

            # escape() quotes, too; it honours the server's NO_BACKSLASH_ESCAPES
            yield lambda text: connection.escape(text)[1:-1], ask
    except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
        shown = why.args[-1] if why.args else why
        raise CannotObserve(f"MariaDB/MySQL: {str(shown).rstrip('.')}.") from None


_MYSQL_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108 - where servers put theirs


def _first_line(why: Exception) -> str:
    return str(why).strip().partition("\n")[0].rstrip(".")


# with what they import only when they are used, which may be where nothing of ours can be found
_MODULES = {"sqlite": ("urllib.parse",), "pgsql": ("psycopg",), "mysql": ("pymysql", "encodings.idna")}
_CONNECT = {"sqlite": _sqlite, "pgsql": _pgsql, "mysql": _mysql}
