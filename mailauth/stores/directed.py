"""What a directory answers when it is asked about a user."""

from dataclasses import field
from enum import Enum

from mailauth.records import dataclass


class Directed(Enum):
    """What becomes of one question."""

    FOUND = "one entry"
    NOBODY = "no entry"
    TEMPLATE = "no search is made"
    DOWN = "the server cannot be reached"
    DROPS = "the connection is taken, and dropped"
    SLOW = "no answer in time"
    TLS = "TLS with the server fails"
    WANTS_TLS = "the server wants TLS"
    CREDENTIALS = "the server refuses Dovecot's own bind"
    BASE = "the base is not there, or hidden"
    FILTER = "it is not a filter"
    SEVERAL = "several entries"
    REFUSED = "the server refuses the search"
    LIMIT = "a limit of the server"
    NO_NAME = "that is no distinguished name"
    ELSEWHERE = "the base is on another server"


class TlsFault(Enum):
    """Why TLS with it fails."""

    EXPIRED = "the certificate is not valid now"
    NAME = "the certificate is for another name"
    AUTHORITY = "the authority is not known"
    OLD = "the version of TLS is too old"
    NO_TLS = "the server speaks no TLS there"
    OTHER = "that was not seen"


LOCKED_SINCE = "pwdAccountLockedTime"
"""draft-behera-ldap-password-policy-10 section 5.3.3: an operational attribute of the entry."""


class Bound(Enum):
    """What a server makes of the bind as the user."""

    TAKEN = "the server takes the password"
    WRONG = "the server refuses name and password"
    EMPTY = "an empty password is never sent to the server"
    NO_USER = "the server has no such user"
    HOURS = "the account may not log in at this time"
    STATION = "the account may not log in from this machine"
    EXPIRED = "the password has expired"
    DISABLED = "the account is disabled"
    ACCOUNT_EXPIRED = "the account has expired"
    CHANGE = "the password must be changed first"
    LOCKED = "the account is locked"
    NO_NAME = "that is no distinguished name"
    OTHER = "the server refuses the bind"


class Named(Enum):
    """Whether the name that was bound as is an entry's."""

    ENTRY = "an entry has it"
    NOBODY = "no entry has it, or the entry is hidden"
    OPEN = "it was not looked up"


@dataclass(frozen=True, slots=True)
class BindTold:
    """``code``, ``says``: the server's.  ``plain``: it tells by a code of its own what it is.

    ``change``: the server takes the password, and wants it changed.  ``named``: of a name that was made of a
    template, and refused.
    """

    how: Bound
    code: int = 0
    says: str = ""
    plain: bool = False
    change: bool = False
    named: Named = Named.ENTRY


@dataclass(frozen=True, slots=True)
class Told:
    """``code``, ``says``: the server's, or libldap's; ``lacks``: an attribute that Dovecot needs, and that
    does not come.

    ``twice``: an attribute that the entry has twice.  ``hint``: where no entry was found, what finds one;
    where TLS fails, why.
    """

    how: Directed
    place: str
    code: int = 0
    says: str = ""
    lacks: str = ""
    twice: str = ""
    hint: str = ""
    tls: TlsFault | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """With the entry: its name, and by attribute in small letters the values, which are secrets."""

    told: Told
    name: str = ""
    values: tuple[tuple[str, tuple[bytes, ...]], ...] = field(default=(), repr=False)
