"""The ways in which a stored string is damaged, by name."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The accidents, and the code that names each."""

    OTHER = "HASH001"
    WEAK = "HASH002"
    UNKNOWN = "HASH003"
    NO_PREFIX = "HASH004"
    CUT = "HASH005"  # or HASH006, which the column tells
    BLANKS = "HASH007"
    QUOTES = "HASH008"
    TWO_PREFIXES = "HASH009"
    SHELL = "HASH010"
    MISLABELLED = "HASH012"
    NEWER_NAME = "HASH013"
    FOREIGN_NAME = "HASH014"
    ARGON2D = "HASH015"
    ARGON2_VERSION = "HASH016"
    ARGON2_SHORT = "HASH017"
    ARGON2_PARAMETERS = "HASH018"
    BASE64 = "HASH019"
    BCRYPT_MINOR = "HASH020"
    BCRYPT_SALT = "HASH021"
    LIBC = "HASH022"
    PLAINTEXT = "HASH028"
    EMPTY = "HASH029"
    FOREIGN_FORMAT = "HASH030"
    BRACES = "HASH031"
    NOTATION = "HASH032"
    ONE_CASE = "HASH033"
    LOCKED = "HASH035"  # where the characters are a password; else no fault, but somebody's wish


WRAPPED = "a line break stands in it"


class Fate(Enum):
    """What becomes of a login with such a string, whatever the password: one word for every report."""

    SOUND = "sound"
    LOCKED = "locked"  # on purpose, and no fault
    OPEN = "lets anyone in"  # what locks an account elsewhere, or nothing at all, is the password here
    REFUSED = "refused as weak"
    UNKNOWN = "unknown scheme"
    NEVER = "never matches"


@dataclass(frozen=True, slots=True)
class Damage:
    """What happened to the string.  ``detail`` holds no secret.

    ``mendable``: mend() gives a string that this Dovecot takes.  ``scheme``: the scheme that should
    stand before it, where that is known.  ``can_be``: what it may be by its form, where that is several
    things.  ``opens``: the characters that are stored log in.
    """

    kind: Kind
    detail: str
    mendable: bool
    scheme: str = ""
    can_be: tuple[str, ...] = ()
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the string: a version, a passdb's default scheme, whether braces count.

    ``prefixing``: a SQL passdb, which puts the default scheme before what has none.
    """

    dovecot: tuple[int, ...]
    default_scheme: str = "CRYPT"
    allow_weak: bool = False
    noscheme: bool = False
    user: str = ""
    prefixing: bool = False

    def taken(self, stored: bytes) -> bytes:
        """The string as Dovecot takes it: so a bare "$1$" is MD5-CRYPT in a file, and the default in SQL.

        Source: auth_request_set_password(), Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-request.c.
        """
        named = stored.startswith(b"{") and b"}" in stored and not self.noscheme
        if named or not self.prefixing:
            return stored
        return b"{%b}%b" % (self.default_scheme.encode(), stored)


_UNKNOWN = frozenset({Kind.UNKNOWN, Kind.NEWER_NAME, Kind.FOREIGN_NAME})


def fate(damage: Damage | None) -> Fate:
    if damage is None:
        return Fate.SOUND
    if damage.kind is Kind.LOCKED or (damage.kind is Kind.EMPTY and damage.opens):
        return Fate.OPEN if damage.opens else Fate.LOCKED
    if damage.kind is Kind.WEAK:
        return Fate.REFUSED
    return Fate.UNKNOWN if damage.kind in _UNKNOWN else Fate.NEVER
