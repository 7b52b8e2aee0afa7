"""Connections to the databases that Dovecot asks, by its own parameters."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mailauth.dovecot.authconfig import SqlSource
from mailauth.stores import refusal
from mailauth.stores.drivers import psycopg

_CONNECT = 10  # seconds
_LONGEST = 16 * 1024 * 1024  # bytes of a value, or of a row
LOCK = 2  # seconds that a migration waits for someone else's row
STATEMENT = 300  # seconds for one of its statements


def place(source: SqlSource, host: dict[str, str]) -> str:
    """A server or a file of the source's, to be shown."""
    if source.driver == "sqlite":
        return f"sqlite {host.get('path', '')}"
    name = host.get("host") or host.get("hostaddr") or ""
    if not name and source.driver == "mysql" and "option_file" in host:
        name = host["option_file"]
    port = host.get("port", "")
    # a socket has no port, and 0 is the usual one
    tail = f":{port}" if port not in ("", "0") and not name.startswith("/") and name != "localhost" else ""
    return f"{source.driver} {name or 'localhost'}{tail}/{host.get('dbname', '')}"


_READ_ONLY = "default_transaction_read_only"


def pgsql(
    host: dict[str, str],
    options: str = "",
    *,
    connect: float = _CONNECT,
    autocommit: bool = False,
    read_only: bool = False,
) -> Any:
    """``options`` are the server's: "-c lock_timeout=2000".  Raises what ``refusal`` says of it.

    ``options`` may be refused by pgbouncer, which hands a server's session to others: ``is_pooled`` then.
    ``read_only``: for all that is asked.  target_session_attrs chooses a server by whether its sessions are
    read-only, so that ours must not be one before.  Source: PostgreSQL's libpq, 34.1.2.
    """
    parameters: dict[str, Any] = {key: value for key, value in host.items() if value}
    parameters["connect_timeout"] = str(max(int(connect), 2))  # libpq knows no shorter one
    later = read_only and "target_session_attrs" in parameters
    at_once = f"-c {_READ_ONLY}=on" if read_only and not later else ""
    parameters["options"] = " ".join(filter(None, (parameters.get("options", ""), options, at_once)))
    try:
        try:
            link = psycopg.connect(**parameters, autocommit=autocommit or later)
        except psycopg.OperationalError as why:
            if "unsupported startup parameter" not in str(why):
                raise
            link = _pooled(parameters, autocommit=autocommit, read_only=read_only)
            later = False
        if link.info.encoding == "ascii":  # a database of SQL_ASCII: its text would come as bytes
            link.close()
            parameters["client_encoding"] = "UTF8"
            link = psycopg.connect(**parameters, autocommit=autocommit or later)
        if later:
            link.execute(f"SET {_READ_ONLY} = on")
            link.autocommit = autocommit
    except (psycopg.Error, UnicodeError) as why:
        raise refusal.of_pgsql_connect(why, parameters) from None
    return link


def _pooled(parameters: dict[str, Any], *, autocommit: bool, read_only: bool) -> Any:
    """Behind pgbouncer no setting of a session may be left behind, and no statement is prepared.

    Source: pgbouncer's manual, "Transaction pooling".
    """
    del parameters["options"]
    link = psycopg.connect(**parameters, autocommit=autocommit and not read_only, prepare_threshold=None)
    link.read_only = read_only or None
    return link


def is_pooled(link: Any) -> bool:
    """Whether a session of PostgreSQL's may be another one in the next transaction."""
    return link.prepare_threshold is None


def mysql_names(table: str) -> tuple[str | None, str]:
    """The database, if it is named, and the table."""
    schema, dot, name = table.replace("`", "").replace('"', "").rpartition(".")
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
    link.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
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
        refusal.head_of(path)  # no pipe, which would be waited for
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
