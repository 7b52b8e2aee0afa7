"""The ways in which a stored string is damaged, by name."""

from enum import Enum

from mailauth.records import dataclass


class Kind(Enum):
    """The accidents.  Which rule tells of one is the rules' to say."""

    OTHER = "no password matches, for another reason"
    WEAK = "refused as weak"
    UNKNOWN = "an unknown scheme"
    NO_PREFIX = "no scheme before it"
    CUT = "cut off"
    BLANKS = "blanks around it"
    PADDED = "filled up with blanks"
    WRAPPED = "line breaks in it"
    QUOTES = "quotes around it"
    TWO_PREFIXES = "two schemes before it"
    SHELL = "parts taken for variables"
    MISLABELLED = "another scheme's name"
    NEWER_NAME = "a name of newer Dovecots"
    FOREIGN_NAME = "a name of other software"
    ARGON2D = "Argon2d"
    ARGON2_VERSION = "Argon2 of another version"
    ARGON2_SHORT = "Argon2 with a short salt or tag"
    ARGON2_PARAMETERS = "Argon2 with its parameters written another way"
    BASE64 = "another form of base64"
    BCRYPT_MINOR = "bcrypt of another kind"
    BCRYPT_SALT = "bcrypt with an impossible salt"
    LIBC = "unknown to the system's crypt(3)"
    PLAINTEXT = "a password where a hash is expected"
    EMPTY = "nothing stored"
    FOREIGN_FORMAT = "another software's form"
    BRACES = "other braces"
    NOTATION = "another notation"
    BYTEA = "PostgreSQL's text of bytes"
    ONE_CASE = "letters that have lost their case"
    LOCKED = "locked"  # where the characters are a password; else no fault, but somebody's wish


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
    things.  ``opens``: the characters that are stored log in.  ``surplus``: what follows a whole hash.
    """

    kind: Kind
    detail: str
    mendable: bool
    scheme: str = ""
    can_be: tuple[str, ...] = ()
    opens: bool = False
    surplus: str = ""


def has_scheme(stored: bytes) -> bool:
    """Whether a "{...}" stands before it, known or not."""
    return stored.startswith(b"{") and b"}" in stored


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
        if (has_scheme(stored) and not self.noscheme) or not self.prefixing:
            return stored
        return b"{%b}%b" % (self.default_scheme.encode("utf-8", "surrogateescape"), stored)


_UNKNOWN = frozenset({Kind.UNKNOWN, Kind.NEWER_NAME, Kind.FOREIGN_NAME})


def fate(damage: Damage | None) -> Fate:
    if damage is None:
        return Fate.SOUND
    if damage.kind is Kind.LOCKED or (damage.kind is Kind.EMPTY and damage.opens):
        return Fate.OPEN if damage.opens else Fate.LOCKED
    if damage.kind is Kind.WEAK:
        return Fate.REFUSED
    return Fate.UNKNOWN if damage.kind in _UNKNOWN else Fate.NEVER
