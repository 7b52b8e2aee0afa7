"""Why a database gives no answer, by its own codes: SQLSTATE, MariaDB's error numbers, SQLite's, errno.

Texts are shown, never read: servers translate them.  SQLite alone has one code for a missing table, a
missing column and a syntax error; its texts are never translated, so there the first words count.

Source: PostgreSQL's appendix "Error Codes"; MariaDB's "Error Code Reference";
https://www.sqlite.org/rescode.html.
"""

import errno
import os
import re
import socket
from pathlib import Path
from typing import Any

from mailauth.errors import CannotObserve
from mailauth.stores.store import Failing

_REACH_TIMEOUT = 3.0  # seconds


class Refusal(CannotObserve):
    """What refuses us refuses Dovecot, too; ``by_name``: if it asks as the same user of the system."""

    def __init__(self, kind: Failing, code: str, says: str, *, by_name: bool = False) -> None:
        super().__init__(says)
        self.kind, self.code, self.says, self.by_name = kind, code, says, by_name


_SQLSTATE = {
    "28000": Failing.CREDENTIALS,
    "28P01": Failing.CREDENTIALS,
    "3D000": Failing.DATABASE,
    "42P01": Failing.TABLE,
    "3F000": Failing.TABLE,
    "42703": Failing.COLUMN,
    "42501": Failing.PERMISSION,
    "53300": Failing.CONNECTIONS,
    "57014": Failing.SLOW,
    "55P03": Failing.SLOW,  # lock_timeout
    "57P01": Failing.DOWN,
    "57P02": Failing.DOWN,
    "57P03": Failing.DOWN,  # "the database system is starting up"
}
_MYSQL = {
    1045: Failing.CREDENTIALS,
    1130: Failing.CREDENTIALS,  # this host may not connect
    1131: Failing.CREDENTIALS,
    1698: Failing.CREDENTIALS,
    1049: Failing.DATABASE,
    1146: Failing.TABLE,
    1051: Failing.TABLE,
    1054: Failing.COLUMN,
    1044: Failing.PERMISSION,  # also said of a database that is not there, to a user of few rights
    1142: Failing.PERMISSION,
    1143: Failing.PERMISSION,
    1370: Failing.PERMISSION,
    1064: Failing.SYNTAX,
    1305: Failing.SYNTAX,
    1040: Failing.CONNECTIONS,
    1203: Failing.CONNECTIONS,
    1226: Failing.CONNECTIONS,
    1205: Failing.SLOW,  # lock_wait_timeout
    1969: Failing.SLOW,
    3024: Failing.SLOW,
}
_OF_THE_FILE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_CORRUPT")
_UNREACHABLE = frozenset(
    {
        *(errno.ECONNREFUSED, errno.ENOENT, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH),
        *(errno.EHOSTDOWN, errno.ECONNRESET),
    }
)

# In SQLite's first page: how many entries its list of tables has.  And the largest page.
_SCHEMA_CELLS, _PAGE_MOST = slice(103, 105), 65536


def of_pgsql(why: Exception) -> CannotObserve:
    """A query that PostgreSQL refuses, or a connection that broke."""
    code = str(getattr(why, "sqlstate", None) or "")
    says = f"PostgreSQL: {first_line(why)}"
    kind = _SQLSTATE.get(code)
    if kind is None and code.startswith("42"):
        # Of a syntax error the text repeats the query, which can hold the user's password.
        kind, says = Failing.SYNTAX, "PostgreSQL: the query is not understood"
    if kind is None:
        return CannotObserve(f"{says}.")
    return Refusal(kind, code, says)


def of_pgsql_connect(why: Exception, parameters: dict[str, Any]) -> CannotObserve:
    """A connection that does not come about: libpq gives a text only, so it is tried again and read along."""
    code, spoke = _sqlstate(parameters)
    says = f"PostgreSQL: {first_line(why)}"
    if code:
        kind = _SQLSTATE.get(code)
        if kind is None:
            return CannotObserve(f"{says}.")
        # "peer" asks the system who the process belongs to
        by_name = kind is Failing.CREDENTIALS and _on_socket(parameters)
        return Refusal(kind, code, says, by_name=by_name)
    if spoke:
        return CannotObserve(f"{says}.")
    host = str(parameters.get("hostaddr") or parameters.get("host") or "")
    port = int(parameters.get("port") or 5432)
    path = ""
    if _on_socket(parameters):
        path = f"{host or '/var/run/postgresql'}/.s.PGSQL.{port}"
    return _unreachable(_reach(host, port, path), says)


def _on_socket(parameters: dict[str, Any]) -> bool:
    host = str(parameters.get("hostaddr") or parameters.get("host") or "")
    return not host or host.startswith("/")


def _sqlstate(parameters: dict[str, Any]) -> tuple[str, bool]:
    """The SQLSTATE that ends a connection attempt, and whether a server said anything at all.

    libpq's trace of the protocol has it.  It is written to memory that only we can read.
    """
    from select import poll  # noqa: PLC0415

    from psycopg import pq  # noqa: PLC0415 - imported by now
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    connection = pq.PGconn.connect_start(make_conninfo(**parameters).encode())
    memory = os.memfd_create("trace")
    try:
        connection.trace(memory)
        state = connection.connect_poll()
        while state in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
            waiting = poll()
            waiting.register(connection.socket, 1 if state is pq.PollingStatus.READING else 4)
            if not waiting.poll(_REACH_TIMEOUT * 1000):
                break
            state = connection.connect_poll()
        connection.untrace()
        told = os.pread(memory, 65536, 0)
    finally:
        os.close(memory)
        connection.finish()
    found = re.search(rb"ErrorResponse\t.*? C \"([0-9A-Z]{5})\"", told)
    return (found[1].decode() if found else ""), b"\tB\t" in told or told.startswith(b"B\t")


def of_mysql(why: Exception, *, on_socket: bool) -> CannotObserve:
    """What PyMySQL raises, connecting or asking."""
    number = why.args[0] if why.args and isinstance(why.args[0], int) else 0
    says = f"MariaDB/MySQL: {str(why.args[-1] if why.args else why).rstrip('.')}"
    kind = _MYSQL.get(number)
    if kind is Failing.SYNTAX:
        says = "MariaDB/MySQL: the query is not understood"  # the text repeats it, with its values
    if kind:
        # the plugin unix_socket asks the system who the process belongs to
        return Refusal(kind, str(number), says, by_name=kind is Failing.CREDENTIALS and on_socket)
    original = getattr(why, "original_exception", None) or why.__cause__ or why.__context__
    if number in (2002, 2003, 2006, 2013) and isinstance(original, OSError):
        if isinstance(original, TimeoutError) and number == 2013:
            return Refusal(Failing.SLOW, str(number), says)
        return _unreachable(original, says)
    return CannotObserve(f"{says}.")


def of_sqlite(why: Exception, path: Path) -> CannotObserve:
    """What SQLite raises, or the system on opening the file."""
    if isinstance(why, OSError):
        code = errno.errorcode.get(why.errno or 0, "")
        says = f"SQLite: the file cannot be read ({why.strerror})"
        return Refusal(Failing.FILE, code, says, by_name=why.errno in (errno.EACCES, errno.EPERM))
    says = f"SQLite: {str(why).rstrip('.')}"
    name = str(getattr(why, "sqlite_errorname", ""))
    if name.startswith(_OF_THE_FILE):
        return Refusal(Failing.FILE, name, says)
    if name == "SQLITE_ERROR":
        kind = Failing.SYNTAX
        if "no such table" in says:
            kind = Failing.EMPTY if _is_empty(path) else Failing.TABLE
        elif "no such column" in says:
            kind = Failing.COLUMN
        return Refusal(kind, name, "SQLite: the query is not understood" if kind is Failing.SYNTAX else says)
    return CannotObserve(f"{says}.")


def head_of(path: Path) -> bytes:
    """The first bytes of the file.  Raises OSError."""
    with path.open("rb") as file:
        return file.read(100)


def _is_empty(path: Path) -> bool:
    """A file without a single table: SQLite makes one when what it is to open is not there.

    Without a byte; or, as 2.4.5 sets the journal's mode, one page whose list of tables has no entry.
    Source: "Database File Format" of SQLite's documentation, the b-tree page header.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return False
    with path.open("rb") as file:
        head = file.read(_SCHEMA_CELLS.stop)
    return not head or (path.stat().st_size <= _PAGE_MOST and not any(head[_SCHEMA_CELLS]))


def _unreachable(error: OSError | None, says: str) -> CannotObserve:
    if error is None:
        return CannotObserve(f"{says}.")
    if isinstance(error, (TimeoutError, socket.gaierror)) or error.errno in _UNREACHABLE:
        code = errno.errorcode.get(error.errno or 0, type(error).__name__)
        if isinstance(error, socket.gaierror):
            code = "EAI"
        return Refusal(Failing.DOWN, code, says)
    if error.errno in (errno.EACCES, errno.EPERM):  # a socket that may not be opened
        return Refusal(Failing.DOWN, errno.errorcode[error.errno], says, by_name=True)
    return CannotObserve(f"{says}.")


def _reach(host: str, port: int, path: str) -> OSError | None:
    """What the kernel says of a connection; None when one can be made."""
    try:
        if path:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(_REACH_TIMEOUT)
                link.connect(path)
        else:
            socket.create_connection((host, port), timeout=_REACH_TIMEOUT).close()
    except OSError as why:
        return why
    return None


def first_line(why: Exception) -> str:
    """Of what a server says: the rest may repeat the statement."""
    return str(why).strip().partition("\n")[0].rstrip(".")
