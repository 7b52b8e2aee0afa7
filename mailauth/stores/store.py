"""What a store answers when a user is looked up."""

from dataclasses import field, replace
from enum import Enum

from mailauth.records import dataclass


class Outcome(Enum):
    """What the store said of a user.  What we, not Dovecot, could not ask raises CannotObserve."""

    FOUND = "found"
    UNKNOWN_USER = "unknown user"
    NO_PASSWORD = "no password"  # noqa: S105 - an outcome: the row is there, its password is NULL
    REFUSED = "refused whatever the password is"
    DENIED = "refused, and no later passdb is asked"
    FAILED = "no answer"  # as Dovecot fares: see ``failure``


class Failing(Enum):
    """Why a store gives no answer that Dovecot can use.  Told apart by SQLSTATE and errno, not by text."""

    DOWN = "the server cannot be reached"
    CREDENTIALS = "the server refuses the credentials"
    DATABASE = "there is no such database"
    EMPTY = "the database is empty"
    TABLE = "there is no such table"
    COLUMN = "there is no such column"
    PERMISSION = "permission denied"
    SYNTAX = "the server refuses the query"
    TLS = "TLS with the server fails"
    SETTINGS = "the client library refuses the settings"
    CONNECTIONS = "the server has no connection left"
    SLOW = "no answer in time"
    FILE = "the file cannot be used"
    NO_FIELD = "the query returns no password field"
    ROWS = "the query returns several rows"
    VARIABLE = "a variable cannot be expanded"
    DIRECTORY = "the directory's answer cannot be used"
    SCRIPT = "the script fails"
    ENDPOINT = "OAuth2's endpoint gives no answer that Dovecot can use"


# What is wrong with these stands where the server and the credentials are set; with others, in the query.
OF_THE_CONNECTION = frozenset(
    {
        *(Failing.DOWN, Failing.CREDENTIALS, Failing.DATABASE, Failing.CONNECTIONS),
        *(Failing.TLS, Failing.SETTINGS),
    }
)

# Dovecot keeps its connections: one from before can serve it when no new one is to be had.
OF_NEW_CONNECTIONS = frozenset(
    {Failing.CREDENTIALS, Failing.CONNECTIONS, Failing.DATABASE, Failing.TLS, Failing.SETTINGS}
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One server's refusal: ``code`` is its SQLSTATE, error number or errno; ``says`` its own words.

    ``still_served``: Dovecot has a connection from before, on which it is answered all the same.
    ``client``: with which client it fails, where that matters ("%{secured} = 'TLS'").
    ``account``: which option files user and password come from, where they do not stand in the settings.
    ``waits``: the server says what the query waited for.
    ``missing``: the column that is not there, as the server names it; "" where it does not.
    ``alike``: what there is in the place of what is missing.  ``columns``: those that the table has.
    ``with_tls``: with TLS, which the settings do not ask for, the server lets the same user in.
    """

    kind: Failing
    place: str
    code: str
    says: str
    still_served: bool = False
    with_tls: bool = False
    client: str = ""
    account: str = ""
    waits: bool = False
    missing: str = ""
    alike: str = ""
    columns: tuple[str, ...] = ()

    def without_words(self) -> "Failure":
        """Of a statement that has the password in it: servers quote that in their errors."""
        says = f"{self.kind.value} (the server's words may quote the password)"
        return replace(self, says=says, missing="")


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What the store says for another client: ``client`` is what is other ("%{rip} = '192.0.2.1'").

    ``instead``: what that is for the client whose entry was read.
    """

    client: str
    outcome: Outcome
    failure: Failure | None = None
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One user's entry.  The stored string is a secret, and other fields can be: no repr shows them.

    ``place`` is where a person can look: "/etc/dovecot/users:1", "table row of query ... at host".
    ``fields`` are the names of the other fields that came along (nologin, allow_nets, ...), ``values``
    what they hold.  ``noscheme``: the string was returned as password_noscheme, so that braces in it mean
    nothing.  ``seconds``: how long the store took; ``beside``: servers that failed while another answered.
    ``again``: the next line of a passwd-file with the same name, which does not count; 0: none.
    ``ahead``: how many of ``values`` a query returned before the password.
    ``client``: the client's variables that it was asked with; ``otherwise``: clients for whom it is not so.
    ``behind``: the bytes behind a NUL that ends the stored string to Dovecot; they are in the column, too.
    ``absent``: the file of a path with variables, which is not there.
    ``wanted``: what a line of a file would have to be called.
    ``several``: of a directory, an attribute with several passwords.  ``bind_as``: the server verifies, by a
    bind as this name.  ``kept``: the hash of an account that is refused whatever the password is.
    ``mismatch``: it has no such user, and logs a password mismatch all the same.
    """

    outcome: Outcome
    place: str
    stored: bytes = field(default=b"", repr=False)
    fields: tuple[str, ...] = ()
    noscheme: bool = False
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    failure: Failure | None = None
    beside: tuple[Failure, ...] = ()
    seconds: float = 0.0
    again: int = 0
    ahead: int = 0
    otherwise: tuple[Otherwise, ...] = ()
    absent: str = ""
    wanted: str = ""
    client: tuple[tuple[str, str], ...] = ()
    several: str = ""
    bind_as: str = ""
    behind: int = 0
    kept: bytes = field(default=b"", repr=False)
    mismatch: bool = False


def as_bytes(value: object) -> bytes | None:
    """As Dovecot reads it: a C string."""
    if type(value) is str and value.isascii() and "\0" not in value:  # the common case, and fast
        return value.encode()
    if value is None:
        return None
    return _raw(value).partition(b"\0")[0]


def behind_nul(value: object) -> int:
    """How many bytes a column has behind the NUL at which Dovecot ends; those of a padding are none."""
    return 0 if value is None else len(_raw(value).partition(b"\0")[2].strip(b"\0"))


def _raw(value: object) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return str(value).encode("utf-8", "surrogateescape")
