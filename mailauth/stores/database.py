"""What a driver of databases consists of: ask as Dovecot asks, read all rows, change some, say what is wrong.

A driver is one file, ``stores/NAME.py``, that makes ``DATABASE``, and one word in ``authconfig.SQL_DRIVERS``:
its name, as Dovecot has it.  ``databases.py`` finds it there.  Larger ones have parts beside them
(``NAME_client.py``, ``NAME_table.py``).  What a driver is made of stands here, in ``swaps.py`` (Engine),
``schema.py`` (Place) and ``refusal.py``; ``table.py`` and all that imports ``databases.py`` are above it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any

from mailauth.dovecot.variables import Escape
from mailauth.records import dataclass
from mailauth.stores.rows import Column
from mailauth.stores.schema import Place
from mailauth.stores.store import as_bytes
from mailauth.stores.swaps import Engine

TIMEOUT = 10  # seconds to connect, and again for an answer
BRIEF = 2  # seconds to connect to a server that is only looked at
LONG = 300  # seconds for a question about all rows, and for a statement of a migration
LOCK = 2  # seconds that a migration waits for someone else's row
IDLE = 30  # seconds that a transaction of ours may hold its rows while we send nothing: we were stopped
ONE_LOCK = 5  # seconds that the change of one row waits for it
ONE_CHANGE = 60.0  # seconds that all of that change may take

Host = dict[str, str]
"""One server, or one file: settings in the words of Dovecot's client library."""
Rows = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""The names of an answer's columns, and its first two rows: each value as Dovecot gets it."""
Ask = Callable[[str], Rows]
"""Runs a query.  Raises what ``refusal`` says."""
Value = bytes | int | None
Stream = Callable[[str], Iterator[tuple[Value, ...]]]
"""Runs a query of any length, row by row, in bounded memory.  Raises what ``refusal`` says."""
RunOne = Callable[[str, Sequence[str | None]], tuple[Sequence[Sequence[Any]], int]]
"""Runs a statement with its values; returns its rows, at most two, and how many rows it changed."""


class ServerDownError(Exception):
    """This server could not be reached; the next one may be up."""


class NotChangedError(Exception):
    """The server refused to change a row; ``forbidden``: because this account may not write.

    ``lacks``: because it lacks the right, which can be granted.
    ``changed``: the row is not any more what was read.
    """

    def __init__(
        self, says: str, *, forbidden: bool = False, lacks: bool = False, changed: bool = False
    ) -> None:
        super().__init__(says)
        self.forbidden, self.lacks, self.changed = forbidden or lacks, lacks, changed


@dataclass(frozen=True, slots=True)
class Session:
    """``rows`` streams a query's answer; ``column`` says what its first column is, None: any text fits.

    ``replaces``: this server replaces by an expression as ``Replacing`` says.
    """

    rows: Stream
    column: Callable[[str], Column | None]
    close: Callable[[], None]
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Updating:
    """How one row is changed: the mark of a value, and what locks the row.

    ``bare``: SET takes a column without its table's name.  ``condition``: how a condition is written in a
    statement with values.  ``unfit``: why a table cannot be changed, "" where it can.
    """

    mark: str
    lock: str = " FOR UPDATE"
    bare: bool = False
    condition: Callable[[str], str] = str
    unfit: Callable[[str, RunOne], str] = lambda _table, _run: ""


@dataclass(frozen=True, slots=True)
class SchemaQueries:
    """Queries for what a database says of its own tables, each with a field named password.

    ``declared``: a column's type; ``columns``: the names of a table's columns, with commas between.
    ``widen``: the statement that gives a column 255 characters, "" where no column has a limit.
    ``quote``: what stands around a name.
    ``named_columns``: "table column,table column" of the columns in {names}.

    ``catalogue.py`` fills the others; "" where there is no such thing.
    ``secured``: a table whose rows a policy may hide; ``views``: a view that may leave rows out.
    ``tables``: one of much the same name; ``letters``: a column that is {name} in other letters.
    """

    declared: Callable[[Place, Escape], str]
    columns: Callable[[Place, Escape], str]
    named_columns: str
    views: str = ""
    secured: str = ""
    tables: tuple[str, ...] = ()
    letters: str = ""
    quote: str = '"'
    widen: Callable[[Place], str] = lambda _place: ""


@dataclass(frozen=True, slots=True)
class Counting:
    """The SQL with which a server counts strings by their form; ``grouping.py`` says what for.

    ``value``, ``user``: {0} as text, compared byte by byte.  ``method``: what stands between the first two
    "$" of e.  ``find``, ``length``: functions of characters.  ``differs``: does not match the expression.
    ``alike``: what rows with the same k are grouped by.  ``fence``: has a SELECT evaluated by itself.
    ``filled``: e with {1} in place of its last {0} characters.  ``whole``: all of {0} is as an expression,
    {1}, says; "" where several looks for a character are quicker.
    """

    value: str
    user: str
    method: str
    find: str
    length: str
    differs: str
    filled: str
    whole: str = ""
    alike: str = "k"
    fence: str = ""


@dataclass(frozen=True, slots=True)
class Replacing:
    """The SQL with which a server parts strings by one expression, where it is quick at that.

    ``value``: {0} as bytes, ``user``: {0} as text, ``length``: how many characters {0} has.  ``replace``: in
    {0} what matches {1} is replaced by {2}, NULL where that fails; ``text`` writes such an expression.
    """

    value: str
    user: str
    length: str
    replace: str
    text: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Database:
    """A driver.  Each function but ``place`` is called where Dovecot lives, and raises what ``refusal`` says.

    ``urls``: what a --url begins with.  ``modules`` are imported before another root is entered.
    ``ask(host, seconds, query)``: a session that is read-only; seconds to connect, the query as configured.
    ``stream``: one for all rows, read-only.  ``change``: a transaction, committed at its end; raises
    ServerDownError and NotChangedError.  ``table``: of stored strings, to be read in pages and changed.
    ``counting``: None where the rows are read one by one; ``replacing``: quicker, where a session says that
    the server has it.  ``is_file``: no server; ``beside``: the ends of the names of files that reading
    changes.  ``with_tls``: whether the server lets the same user in with TLS,
    which the settings do not ask for.  ``account``: where user and password come from, if not the settings.
    ``client``: the program to which its administrator gives statements, which asks for a password itself; ()
    where the host is written unusually.  ``who``: asks for the account, quoted as GRANT has it; "" for
    none.  ``without_blanks``: the text {0} without blanks and line ends.
    """

    name: str
    urls: tuple[str, ...]
    modules: tuple[str, ...]
    place: Callable[[Host], str]
    ask: Callable[[Host, float, str], AbstractContextManager[tuple[Escape, Ask]]]
    stream: Callable[[Host], Session]
    change: Callable[[Host], AbstractContextManager[tuple[Escape, RunOne]]]
    updating: Updating
    table: Callable[[Host], Engine]
    schema: SchemaQueries
    client: Callable[[Host], tuple[str, ...]]
    without_blanks: str
    who: str = ""
    counting: Counting | None = None
    replacing: Replacing | None = None
    is_file: bool = False
    beside: tuple[str, ...] = ()
    with_tls: Callable[[Host], bool] = lambda _host: False
    account: Callable[[Host], str] = lambda _host: ""


def at_server(name: str, host: Host, else_: str = "") -> str:
    """A server, to be shown; ``else_``: in place of the host's name, where there is none."""
    server = host.get("host") or host.get("hostaddr") or else_
    port = host.get("port", "")
    # a socket has no port, and 0 is the usual one
    tail = (
        f":{port}" if port not in ("", "0") and not server.startswith("/") and server != "localhost" else ""
    )
    return f"{name} {server or 'localhost'}{tail}/{host.get('dbname', '')}"


def quoted(name: str, mark: str) -> str:
    """A column's name for a statement; ``mark`` is the database's quote."""
    return (
        name
        if name.isidentifier() and name == name.lower()
        else f"{mark}{name.replace(mark, mark * 2)}{mark}"
    )


def streamed(cursor: Any) -> Iterator[tuple[Value, ...]]:
    """All that a cursor has."""
    while rows := cursor.fetchmany(_AT_ONCE):
        values = list(chain.from_iterable(rows))
        if set(map(type, values)) <= _AS_THEY_ARE and b"\0" not in b"".join(filter(None, values)):
            yield from rows
            continue
        for row in rows:
            yield tuple(value if isinstance(value, int) else as_bytes(value) for value in row)


_AS_THEY_ARE = {bytes, type(None)}
_AT_ONCE = 10_000  # rows that are here at the same time
