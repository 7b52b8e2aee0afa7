"""What a directory answers when it is asked about a user."""

from dataclasses import dataclass, field
from enum import Enum


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
    LIMIT = "the server's size limit"


@dataclass(frozen=True, slots=True)
class Told:
    """``code``, ``says``: the server's, or libldap's; ``lacks``: the password's attribute does not come."""

    how: Directed
    place: str
    code: int = 0
    says: str = ""
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """With the entry: its name, and by attribute in small letters the values, which are secrets."""

    told: Told
    name: str = ""
    values: tuple[tuple[str, tuple[bytes, ...]], ...] = field(default=(), repr=False)
