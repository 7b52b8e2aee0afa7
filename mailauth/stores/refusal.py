"""Why a database gives no answer, by its own codes: SQLSTATE, MariaDB's error numbers, SQLite's, errno.

Texts are shown, never read: servers translate them.  SQLite alone has one code for a missing table, a
missing column and a syntax error; its texts are never translated, so there the first words count.

What a server refuses of a connection and what it refuses of a query are distinguished by when it is said: a
view whose DEFINER may not log in answers a query with the very code of a wrong password.

Source: PostgreSQL's appendix "Error Codes"; MariaDB's "Error Code Reference";
https://www.sqlite.org/rescode.html.
"""

import errno
import os
import re
import select
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mailauth.dovecot import clients, inroot
from mailauth.errors import CannotObserve
from mailauth.stores.drivers import psycopg
from mailauth.stores.store import Failing

_REACH_TIMEOUT = 3.0  # seconds


class Refusal(CannotObserve):
    """What refuses us refuses Dovecot, too; ``by_name``: if it asks as the same user of the system.

    ``late``: it was said while the rows were read.  ``waits``: it is known what the query waited for.
    """

    waits = False

    def __init__(
        self, kind: Failing, code: str, says: str, *, by_name: bool = False, late: bool = False
    ) -> None:
        super().__init__(says)
        self.kind, self.code, self.says, self.by_name, self.late = kind, code, says, by_name, late


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
_MYSQL_CONNECT = {
    1044: Failing.PERMISSION,  # also said of a database that is not there, to a user of few rights
    1049: Failing.DATABASE,
    1862: Failing.CREDENTIALS,  # the account's password has expired
    **dict.fromkeys((1040, 1203, 1226), Failing.CONNECTIONS),
}
_MYSQL_QUERY = {
    1046: Failing.DATABASE,  # none is selected
    1146: Failing.TABLE,
    1051: Failing.TABLE,
    1054: Failing.COLUMN,
    # 1045 and 1698 of a view's or routine's DEFINER: this connection was let in
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1345, 1370, 1698), Failing.PERMISSION),
    **dict.fromkeys((1203, 1226), Failing.CONNECTIONS),
    **dict.fromkeys((1205, 1317, 1969, 3024), Failing.SLOW),  # a limit of the server's, or KILL QUERY
    1053: Failing.DOWN,  # it is shutting down
    1820: Failing.CREDENTIALS,  # the account's password has expired: nothing but a new one is taken
}
# Of these the text names tables, columns, functions and accounts, and no values.
_ONLY_NAMES = frozenset(
    {
        *(1044, 1045, 1046, 1049, 1051, 1052, 1054, 1142, 1143, 1146, 1203, 1222, 1226, 1227, 1235, 1241),
        *(1242, 1253, 1267, 1270, 1271, 1305, 1318, 1345, 1356, 1370, 1449, 1698),
    }
)
_OWN_LIMIT = 1792  # we ask read-only, Dovecot does not
BY_DEFINER = frozenset({1045, 1356, 1449, 1698})
_OF_THE_FILE = (
    *("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_CORRUPT"),
    *("SQLITE_IOERR", "SQLITE_PERM", "SQLITE_FULL"),
)
_UNREACHABLE = frozenset(
    {
        *(errno.ECONNREFUSED, errno.ENOENT, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH),
        *(errno.EHOSTDOWN, errno.ECONNRESET),
    }
)

# In SQLite's first page: how many entries its list of tables has.  And the largest page.
_SCHEMA_CELLS, _PAGE_MOST = slice(103, 105), 65536


def of_pgsql(why: Exception, template: str = "") -> CannotObserve:
    """A query that PostgreSQL refuses, or a connection that broke.  ``template``: the query as configured."""
    code = str(getattr(why, "sqlstate", None) or "")
    text = first_line(why)
    kind = _SQLSTATE.get(code)
    if not code or code == _READ_ONLY:
        return CannotObserve(f"PostgreSQL: {text}.")
    if kind is None:
        kind, text = Failing.SYNTAX, without_values(text, template)
    return Refusal(kind, code, f"PostgreSQL: {text}")


def without_values(text: str, template: str) -> str:
    """``text`` without what it quotes, unless that stands in the query as configured.

    What was put into the query, and what the rows hold, can be a secret.
    """

    def shown(found: re.Match[str]) -> str:
        return found[0] if found[2] in template else f"{found[1]}...{found[1]}"

    return _WIDE_QUOTES.sub(shown, text)


# from the first quote to the last of its kind: a value can hold quotes, too
_WIDE_QUOTES = re.compile(r"""(["'])(.*)\1""", re.DOTALL)
_READ_ONLY = "25006"
_OPTION = re.compile(r'(?<=invalid connection option )"(.*)"', re.DOTALL)


def of_pgsql_connect(why: Exception, parameters: dict[str, Any]) -> CannotObserve:
    """A connection that is not made: libpq gives a text only, so it is tried again and read along."""
    says = f"PostgreSQL: {first_line(why)}"
    if _is_misuse(why):
        return Refusal(Failing.SETTINGS, "", _OPTION.sub(lambda found: clients.shown(found[1]), says))
    code, spoke = _sqlstate(parameters)
    if code:
        kind = _SQLSTATE.get(code, Failing.CREDENTIALS)
        # "peer" asks the system who the process belongs to
        by_name = kind is Failing.CREDENTIALS and _on_socket(parameters)
        return Refusal(kind, code, says, by_name=by_name)
    if not spoke:
        host = str(parameters.get("hostaddr") or parameters.get("host") or "")
        port = int(parameters.get("port") or 5432)
        path = f"{host or '/var/run/postgresql'}/.s.PGSQL.{port}" if _on_socket(parameters) else ""
        if error := _reach(host, port, path):
            return _unreachable(error, says)
    if _is_of_tls(parameters):
        return Refusal(Failing.TLS, "TLS", says)
    return CannotObserve(f"{says}.")


def _is_misuse(why: Exception) -> bool:
    """The library does not know the parameter, or takes no such value."""
    return isinstance(why, psycopg.ProgrammingError)


def _is_of_tls(parameters: dict[str, Any]) -> bool:
    """Whether the server speaks to us as soon as the settings of TLS are left out."""
    if not any(name.startswith("ssl") for name in parameters):
        return False
    plain = {name: value for name, value in parameters.items() if not name.startswith("ssl")}
    code, spoke = _sqlstate({**plain, "sslmode": "disable"})
    return bool(code) or spoke


def _on_socket(parameters: dict[str, Any]) -> bool:
    host = str(parameters.get("hostaddr") or parameters.get("host") or "")
    return not host or host.startswith("/")


def _sqlstate(parameters: dict[str, Any]) -> tuple[str, bool]:
    """The SQLSTATE that ends a connection attempt, and whether a server said anything at all.

    libpq's trace of the protocol has it.  It is written to memory that only we can read.
    """
    connection = psycopg.pq.PGconn.connect_start(psycopg.conninfo.make_conninfo(**parameters).encode())
    memory = os.memfd_create("trace")
    try:
        connection.trace(memory)
        state = connection.connect_poll()
        while state in (psycopg.pq.PollingStatus.READING, psycopg.pq.PollingStatus.WRITING):
            waiting = select.poll()
            waiting.register(connection.socket, 1 if state is psycopg.pq.PollingStatus.READING else 4)
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


def of_mysql_connect(why: Exception, *, on_socket: bool) -> CannotObserve:
    """A connection that MariaDB or MySQL refuses, or that is not made."""
    number, says = _mysql_number(why), _mysql_says(why)
    original = getattr(why, "original_exception", None) or why.__cause__ or why.__context__ or why
    if isinstance(original, ssl.SSLError):
        reason = getattr(original, "verify_message", "") or original.reason or "the handshake fails"
        return Refusal(Failing.TLS, "TLS", f"TLS with the server: {reason}")
    if number == _TLS_ERROR:
        return Refusal(Failing.TLS, str(number), says)
    if number in _OF_THE_LINK and isinstance(original, OSError):
        return _unreachable(original, says)
    if not number and isinstance(original, OSError):
        code = errno.errorcode.get(original.errno or 0, "")
        return Refusal(Failing.TLS, code, f"the CA, certificate or key cannot be read ({original.strerror})")
    if not number or number in _OF_THE_LINK:
        return CannotObserve(f"{says}.")
    # the plugin unix_socket asks the system who the process belongs to
    kind = _MYSQL_CONNECT.get(number, Failing.CREDENTIALS)
    return Refusal(kind, str(number), says, by_name=kind is Failing.CREDENTIALS and on_socket)


def of_mysql(
    why: Exception, template: str = "", *, late: bool = False, views: Sequence[str] = ()
) -> CannotObserve:
    """A query that it refuses, or a connection that broke.

    ``template``: the query as configured; ``views``: those that it reads.
    """
    number, says = _mysql_number(why), _mysql_says(why)
    if number in _OF_THE_LINK:
        original = getattr(why, "original_exception", None) or why.__cause__ or why.__context__
        if isinstance(original, TimeoutError):
            return Refusal(Failing.SLOW, str(number), "MariaDB/MySQL: the query did not answer in time")
        return _unreachable(original if isinstance(original, OSError) else None, says)
    if number < _FIRST_OF_SERVER or number in _OF_THE_CLIENT or number == _OWN_LIMIT:
        return CannotObserve(f"{says}.")
    if number in BY_DEFINER:
        of = f"the view {' or '.join(views)}" if views else "a view or a routine that the query uses"
        says += f" (it is said of the DEFINER of {of})"
    elif number not in _ONLY_NAMES:
        says = without_values(says, template)
    return Refusal(_MYSQL_QUERY.get(number, Failing.SYNTAX), str(number), says, late=late)


_OF_THE_LINK = frozenset({2002, 2003, 2006, 2013, 2055})
_TLS_ERROR = 2026
_FIRST_OF_SERVER = 1000
_OF_THE_CLIENT = range(2000, 3000)


def waiting(why: CannotObserve, ask: Callable[[], str]) -> CannotObserve:
    """The same refusal, with what the query waited for, which is asked where it ended for that."""
    if not isinstance(why, Refusal) or why.kind is not Failing.SLOW or not (says := ask()):
        return why
    told = Refusal(why.kind, why.code, f"{why.says}; {says}", late=why.late)
    told.waits = True
    return told


def _mysql_number(why: Exception) -> int:
    return why.args[0] if why.args and isinstance(why.args[0], int) and not isinstance(why, OSError) else 0


def _mysql_says(why: Exception) -> str:
    return f"MariaDB/MySQL: {str(why.args[-1] if why.args else why).rstrip('.')}"


def of_sqlite(why: Exception, path: Path, template: str = "") -> CannotObserve:
    """What SQLite raises, or the system on opening the file.  ``template``: the query as configured."""
    if isinstance(why, OSError):
        code = errno.errorcode.get(why.errno or 0, "")
        says = f"SQLite: the file cannot be read ({why.strerror})"
        return Refusal(Failing.FILE, code, says, by_name=why.errno in (errno.EACCES, errno.EPERM))
    says = f"SQLite: {str(why).rstrip('.')}"
    name = str(getattr(why, "sqlite_errorname", ""))
    if name.startswith(_OF_THE_FILE):
        return Refusal(Failing.FILE, name, says)
    if not name or name.startswith(_OURS):
        return CannotObserve(f"{says}.")
    kind = Failing.SYNTAX
    if "no such table" in says:
        kind = Failing.EMPTY if _is_empty(path) else Failing.TABLE
    elif "no such column" in says:
        kind = Failing.COLUMN
    return Refusal(kind, name, without_values(says, template) if kind is Failing.SYNTAX else says)


# We may not write; or a value is larger than we take, and Dovecot takes it.
_OURS = ("SQLITE_READONLY", "SQLITE_TOOBIG", "SQLITE_NOMEM")


def head_of(path: Path) -> bytes:
    """The first bytes of the file.  Raises OSError, also where it is no regular file."""
    with inroot.opened(path) as file:
        return file.read(100)


def _is_empty(path: Path) -> bool:
    """A file without a single table: SQLite makes one when what it is to open is not there.

    Without a byte; or, as 2.4.5 sets the journal's mode, one page whose list of tables has no entry.
    Source: "Database File Format" of SQLite's documentation, the b-tree page header.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return False
    with inroot.opened(path) as file:
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
