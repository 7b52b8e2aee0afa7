"""What a fact is: seen, not to be seen, or nothing there to see."""

from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something seen.  ``source`` is the place a person can go and look."""

    source: str

    @property
    def seen(self) -> str:
        """What was seen there, in one line."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Unobserved:
    """Something we could not look at, and why.  Its rules are undecided, and that is said aloud."""

    kind: type[Evidence]
    reason: str
    bug: bool = False
    needs_root: bool = False


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Something there is nothing to look at for: no such user, no password given."""

    kind: type[Evidence]
    reason: str


Fact = Evidence | Unobserved | NotApplicable
