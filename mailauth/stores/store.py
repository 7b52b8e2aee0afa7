"""What a store answers when a user is looked up."""

from dataclasses import dataclass, field
from enum import Enum


class Outcome(Enum):
    """What the store said of a user.  A store that could not be asked raises CannotObserve instead."""

    FOUND = "found"
    UNKNOWN_USER = "unknown user"
    NO_PASSWORD = "no password"  # noqa: S105 - an outcome: the row is there, its password is NULL


@dataclass(frozen=True, slots=True)
class Record:
    """One user's entry.  The stored string is a secret: no repr shows it.

    ``place`` is where a person can look: "/etc/dovecot/users:1", "table row of query ... at host".
    ``fields`` are the names of the other fields that came along (nologin, allow_nets, ...).
    ``noscheme``: the string was returned as password_noscheme, so that braces in it mean nothing.
    """

    outcome: Outcome
    place: str
    stored: bytes = field(default=b"", repr=False)
    fields: tuple[str, ...] = ()
    noscheme: bool = False
