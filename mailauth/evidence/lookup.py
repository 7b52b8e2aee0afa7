"""The user: the name that is looked up, and what every passdb says of it."""

from dataclasses import dataclass

from mailauth.evidence.fact import Evidence
from mailauth.stores.store import Outcome


@dataclass(frozen=True, slots=True)
class UserName(Evidence):
    """The name as given and as looked up; the first character that auth_username_chars refuses."""

    given: str
    looked_up: str
    refused: str

    @property
    def seen(self) -> str:
        return f"{self.given!r} is looked up as {self.looked_up!r}"


@dataclass(frozen=True, slots=True)
class PassdbAnswer:
    """What one passdb said of the user."""

    passdb: str
    place: str
    outcome: Outcome
    fields: tuple[str, ...] = ()  # the names of the entry's other fields


@dataclass(frozen=True, slots=True)
class LookedUp(Evidence):
    """What every passdb said, in Dovecot's order; ``unasked``: those that could not be asked, and why."""

    answers: tuple[PassdbAnswer, ...]
    unasked: tuple[str, ...] = ()

    @property
    def seen(self) -> str:
        return "; ".join(
            f"{a.passdb}, {a.place}: {a.outcome.value}"
            + (f" (with the fields {', '.join(a.fields)})" if a.fields else "")
            for a in self.answers
        )
