"""Connections to the databases that Dovecot asks, by its own parameters."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mailauth.dovecot.authconfig import SqlSource
from mailauth.stores import refusal

_CONNECT = 10  # seconds
LOCK = 2  # seconds that a migration waits for someone else's row
STATEMENT = 300  # seconds for one of its statements
_MYSQL_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108 - where servers put theirs


def place(source: SqlSource, host: dict[str, str]) -> str:
    """A server or a file of the source's, to be shown."""
    if source.driver == "sqlite":
        return f"sqlite {host.get('path', '')}"
    port = f":{host['port']}" if host.get("port") else ""
    return f"{source.driver} {host.get('host', 'localhost')}{port}/{host.get('dbname', '')}"


def pgsql(
    host: dict[str, str], options: str = "", *, connect: float = _CONNECT, autocommit: bool = False
) -> Any:
    """``options`` are the server's: "-c lock_timeout=2000".  Raises what ``refusal`` says of it."""
    import psycopg  # noqa: PLC0415 - 0.1 s that only those who use it should pay

    parameters: dict[str, Any] = {key: value for key, value in host.items() if value}
    parameters["connect_timeout"] = str(max(int(connect), 2))  # libpq knows no shorter one
    parameters["options"] = f"{parameters.get('options', '')} {options}".strip()
    try:
        return psycopg.connect(**parameters, autocommit=autocommit)
    except (psycopg.Error, UnicodeError) as why:
        raise refusal.of_pgsql_connect(why, parameters) from None


def mysql(host: dict[str, str], *, connect: float = _CONNECT, read: float | None = None, **more: Any) -> Any:
    """``read``: seconds that an answer may take.  Raises what ``refusal`` says of it."""
    import pymysql  # noqa: PLC0415 - 0.1 s that only those who use it should pay

    socket = mysql_socket(host)
    options: dict[str, Any] = dict(more)
    if file := host.get("option_file"):
        options |= {"read_default_file": file, "read_default_group": host.get("option_group")}
    if ca := host.get("ssl_ca"):
        options["ssl"] = {"ca": ca}
    try:
        return pymysql.connect(
            host=host.get("host", "localhost"),
            unix_socket=socket,
            port=int(host.get("port") or 3306),
            user=host.get("user"),
            password=host.get("password", ""),
            database=host.get("dbname"),
            charset="utf8mb4",
            connect_timeout=connect,
            read_timeout=read,
            **options,
        )
    except (pymysql.Error, OSError, ValueError, RuntimeError) as why:
        raise refusal.of_mysql(why, on_socket=socket is not None) from None


def mysql_socket(host: dict[str, str]) -> str | None:
    """The socket's path; the C client takes "localhost" for its socket."""
    name = host.get("host", "localhost")
    if name.startswith("/"):
        return name
    if name == "localhost":
        return next((path for path in _MYSQL_SOCKETS if Path(path).exists()), None)
    return None


def mysql_names(table: str) -> tuple[str | None, str]:
    """The database, if it is named, and the table."""
    schema, dot, name = table.replace("`", "").rpartition(".")
    return (schema if dot else None), name


def mysql_without_transactions(
    table: str, rows: Callable[[str, Sequence[str | None]], Sequence[Sequence[Any]]]
) -> str | None:
    """The table's engine, where it has no transactions: MyISAM, for one.  ``rows`` asks the server."""
    schema, name = mysql_names(table)
    found = rows(
        "SELECT t.engine FROM information_schema.tables t JOIN information_schema.engines e"
        " ON e.engine = t.engine WHERE t.table_name = %s AND t.table_schema = COALESCE(%s, DATABASE())"
        " AND e.transactions <> 'YES'",
        (name, schema),
    )
    return str(found[0][0]) if found else None


def sqlite_to_read(path: Path, *, timeout: float) -> sqlite3.Connection:
    """Nothing is made beside the file.  Raises what sqlite3 does, and OSError."""
    head = refusal.head_of(path)
    # In write-ahead mode, and nobody has the log open: nothing is locked then, and opened as others
    # do, SQLite would make files beside it.  Source: https://www.sqlite.org/fileformat.html, "18".
    logged = head[18:19] == b"\x02" and not path.with_name(f"{path.name}-wal").exists()
    quiet = "&immutable=1" if logged else ""
    link = sqlite3.connect(f"{path.as_uri()}?mode=ro{quiet}", uri=True, timeout=timeout)
    link.text_factory = bytes
    return link


def joined_names(link: sqlite3.Connection) -> None:
    """CONCAT() for our own statements, which SQLite has of itself from 3.44 on; never for Dovecot's query."""
    link.create_function("CONCAT", -1, lambda *parts: "".join(_text(part) for part in parts))


def _text(part: object) -> str:
    if isinstance(part, bytes):
        return part.decode("utf-8", "replace")
    return "" if part is None else str(part)


def sqlite(host: dict[str, str], *, timeout: float = _CONNECT) -> sqlite3.Connection:
    """For writing; the file must be there.  Transactions are begun by hand; one thread at a time."""
    path = Path(host.get("path", ""))
    try:
        link = sqlite3.connect(
            f"{path.as_uri()}?mode=rw",
            uri=True,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
        )
    except (sqlite3.Error, ValueError, OSError) as why:
        raise refusal.of_sqlite(why, path) from None
    link.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    joined_names(link)
    return link


def quoted(name: str, mark: str) -> str:
    """A column's name for a statement; ``mark`` is the database's quote."""
    return (
        name
        if name.isidentifier() and name == name.lower()
        else f"{mark}{name.replace(mark, mark * 2)}{mark}"
    )
