"""Why MariaDB and MySQL give no answer, by their error numbers.

Source: MariaDB's "Error Code Reference".
"""

import errno
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mailauth.errors import CannotObserve
from mailauth.oserrors import raised_in
from mailauth.stores.database import Host, at_server
from mailauth.stores.drivers import pymysql
from mailauth.stores.refusal import Refusal, unreachable, without_values
from mailauth.stores.store import Failing
from mailauth.visible import visible

_OF_CONNECT = {
    1044: Failing.PERMISSION,  # also said of a database that is not there, to a user of few rights
    1049: Failing.DATABASE,
    1862: Failing.CREDENTIALS,  # the account's password has expired
    **dict.fromkeys((1040, 1203, 1226), Failing.CONNECTIONS),
}
_OF_QUERY = {
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
_OF_THE_LINK = frozenset({2002, 2003, 2006, 2013, 2055})
_TLS_ERROR = 2026
_FIRST_OF_SERVER = 1000
_OF_THE_CLIENT = range(2000, 3000)


@contextmanager
def understood(host: Host) -> Iterator[None]:
    """Bytes that are not of the protocol end in an error of PyMySQL's, which raises whatever it runs into."""
    try:
        yield
    except (pymysql.Error, OSError) as why:
        # one without a number is PyMySQL's own, of a packet out of turn: most other protocols begin so
        if not isinstance(why, pymysql.InternalError) or (why.args and isinstance(why.args[0], int)):
            raise
        raise pymysql.InterfaceError(_STRANGE.format(at_server("mysql", host))) from None
    except Exception as why:
        if isinstance(why, RuntimeError) or not raised_in(why, ("pymysql",), _READING):
            raise
        raise pymysql.InterfaceError(_STRANGE.format(at_server("mysql", host))) from None


@contextmanager
def unbuffered(cursor: Any) -> Iterator[Any]:
    """A cursor whose rows come as they are asked for, closed.

    A result that broke off is forgotten: PyMySQL would read on as it is collected, and say that it cannot.
    """
    try:
        yield cursor
    except Exception:
        if (result := cursor._result) is not None:  # noqa: SLF001 - it has no other name
            result.unbuffered_active = False
        cursor.connection = None
        raise
    finally:
        cursor.close()


_READING = ("_read", "_get_server", "_request_auth", "_get_desc", "_finish")  # its functions that do
_STRANGE = "what {} answers is not of MariaDB's or MySQL's protocol; see what listens there"


def of_connect(why: Exception, *, on_socket: bool) -> CannotObserve:
    """A connection that MariaDB or MySQL refuses, or that is not made."""
    number, says = _number(why), _says(why)
    original = getattr(why, "original_exception", None) or why.__cause__ or why.__context__ or why
    if isinstance(original, ssl.SSLError):
        reason = getattr(original, "verify_message", "") or original.reason or "the handshake fails"
        return Refusal(Failing.TLS, "TLS", f"TLS with the server: {reason}")
    if number == _TLS_ERROR:
        return Refusal(Failing.TLS, str(number), says)
    if number in _OF_THE_LINK and isinstance(original, OSError):
        return unreachable(original, says)
    if not number and isinstance(original, OSError):
        code = errno.errorcode.get(original.errno or 0, "")
        return Refusal(Failing.TLS, code, f"the CA, certificate or key cannot be read ({original.strerror})")
    if not number or number in _OF_THE_LINK:
        return CannotObserve(f"{says}.")
    # the plugin unix_socket asks the system who the process belongs to
    kind = _OF_CONNECT.get(number, Failing.CREDENTIALS)
    return Refusal(kind, str(number), says, by_name=kind is Failing.CREDENTIALS and on_socket)


def of_charset(name: str) -> CannotObserve:
    """A character set, of an option file, that the client library does not have: it connects nowhere."""
    shown = visible(name, 40)
    return Refusal(Failing.SETTINGS, "2019", f"MariaDB/MySQL: Can't initialize character set {shown}")


def of_query(
    why: Exception, template: str = "", *, late: bool = False, views: Sequence[str] = ()
) -> CannotObserve:
    """A query that it refuses, or a connection that broke.

    ``template``: the query as configured; ``views``: those that it reads.
    """
    number, says = _number(why), _says(why)
    if number in _OF_THE_LINK:
        original = getattr(why, "original_exception", None) or why.__cause__ or why.__context__
        if isinstance(original, TimeoutError):
            return Refusal(Failing.SLOW, str(number), "MariaDB/MySQL: the query did not answer in time")
        return unreachable(original if isinstance(original, OSError) else None, says)
    if number < _FIRST_OF_SERVER or number in _OF_THE_CLIENT or number == _OWN_LIMIT:
        return CannotObserve(f"{says}.")
    if number in BY_DEFINER:
        of = f"the view {' or '.join(views)}" if views else "a view or a routine that the query uses"
        says += f" (the server means the DEFINER of {of})"
    elif number not in _ONLY_NAMES:
        says = without_values(says, template)
    return Refusal(_OF_QUERY.get(number, Failing.SYNTAX), str(number), says, late=late)


def _number(why: Exception) -> int:
    return why.args[0] if why.args and isinstance(why.args[0], int) and not isinstance(why, OSError) else 0


def _says(why: Exception) -> str:
    return f"MariaDB/MySQL: {str(why.args[-1] if why.args else why).rstrip('.')}"
