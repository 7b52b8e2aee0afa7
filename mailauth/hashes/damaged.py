"""The accidents that befall a stored string, by name."""

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


@dataclass(frozen=True, slots=True)
class Damage:
    """What happened to the string.  ``detail`` holds no secret.

    ``mendable``: mend() gives a string that this Dovecot takes.  ``scheme``: the scheme that should
    stand before it, where that is known.
    """

    kind: Kind
    detail: str
    mendable: bool
    scheme: str = ""
