"""Why a database gives no answer, by its own codes, never by its words: servers translate them.

What a server refuses of a connection and what it refuses of a query are distinguished by when it is said: a
view whose DEFINER may not log in answers a query with the very code of a wrong password.
"""

import errno
import re
import socket
from collections.abc import Callable

from mailauth.connecting import connect
from mailauth.errors import CannotObserve
from mailauth.stores.store import Failing

REACH_TIMEOUT = 3.0  # seconds
# With what connecting imports only when it is done, which may be where nothing of ours can be found
ENCODINGS = tuple(f"encodings.{name}" for name in ("idna", "latin_1", "iso8859_1", "iso8859_15", "cp1252"))


class Refusal(CannotObserve):
    """What refuses us refuses Dovecot, too; ``by_name``: if it asks as the same user of the system.

    ``late``: it was said while the rows were read.  ``waits``: it is known what the query waited for.
    ``missing``: the column that is not there, as the server names it; "" where it is none, or not named.
    """

    waits = False

    def __init__(
        self, kind: Failing, code: str, says: str, *, by_name: bool = False, late: bool = False
    ) -> None:
        super().__init__(says)
        self.kind, self.code, self.says, self.by_name, self.late = kind, code, says, by_name, late
        named = _COLUMN.search(says) if kind is Failing.COLUMN else None
        self.missing = named[1] if named else ""


# No server has a field for it: PostgreSQL's is empty for 42703, 1054 and SQLite have a text alone.
_COLUMN = re.compile(r"column:?\s+[\"'`]?([^\"'`\s]+)", re.IGNORECASE)


def without_values(text: str, template: str) -> str:
    """``text`` without what it quotes, unless that stands in the query as configured.

    What was put into the query, and what the rows hold, can be a secret.
    """

    def shown(found: re.Match[str]) -> str:
        return found[0] if found[2] in template else f"{found[1]}...{found[1]}"

    return _WIDE_QUOTES.sub(shown, text)


# from the first quote to the last of its kind: a value can hold quotes, too
_WIDE_QUOTES = re.compile(r"""(["'])(.*)\1""", re.DOTALL)


def waiting(why: CannotObserve, ask: Callable[[], str]) -> CannotObserve:
    """The same refusal, with what the query waited for, which is asked where it ended for that."""
    if not isinstance(why, Refusal) or why.kind is not Failing.SLOW or not (says := ask()):
        return why
    told = Refusal(why.kind, why.code, f"{why.says}; {says}", late=why.late)
    told.waits = True
    return told


def unreachable(error: OSError | None, says: str) -> CannotObserve:
    """What the kernel's error comes to; None: it is not known."""
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


_UNREACHABLE = frozenset(
    {
        *(errno.ECONNREFUSED, errno.ENOENT, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH),
        *(errno.EHOSTDOWN, errno.ECONNRESET),
    }
)


def reach(host: str, port: int, path: str) -> OSError | None:
    """What the kernel says of a connection; None when one can be made."""
    try:
        if path:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(REACH_TIMEOUT)
                link.connect(path)
        else:
            connect(host, port, REACH_TIMEOUT).close()
    except OSError as why:
        return why
    return None


def first_line(why: Exception) -> str:
    """Of what a server says: the rest may repeat the statement."""
    return str(why).strip().partition("\n")[0].rstrip(".")
