"""What was tried with the given password beyond itself.  Nothing here tells anything of the password."""

from mailauth.evidence.fact import Evidence
from mailauth.evidence.lookup import NearName
from mailauth.hashes.variants import Change
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class PasswordVariant(Evidence):
    """The given password is wrong: a near variant that is right, if there is one.

    ``change`` is None when none of those tried matches; ``left``: how many there was no time for.
    """

    change: Change | None
    how: str  # "with capitals and small letters exchanged"
    passdb: str  # whose hash matched
    tried: int
    left: int

    @property
    def seen(self) -> str:
        if self.change is not None:
            return f"the password matches {self.how} ({self.tried} near variants tried)"
        if not self.tried and self.left:
            return "no near variant of the password was tried; --variants SECONDS gives time for it"
        said = f"none of {self.tried} near variants of the password matches"
        return said + (f"; no time was left for {self.left} more" if self.left else "")


@dataclass(frozen=True, slots=True)
class PasswordElsewhere(Evidence):
    """The given password is wrong for the passdbs that are asked: those that are not, and have its hash."""

    passdbs: tuple[NearName, ...]

    @property
    def seen(self) -> str:
        return "; ".join(f"{one.passdb}, {one.place}: match" for one in self.passdbs) or "none has its hash"


@dataclass(frozen=True, slots=True)
class PasswordPart(Evidence):
    """The given password is right, and longer than the scheme reads: what the beginning alone does."""

    scheme: str
    reads: int  # bytes
    lets_in: bool  # the bytes that are read match without the rest

    @property
    def seen(self) -> str:
        return (
            f"{self.scheme} reads {self.reads} bytes of a password; these alone"
            f" {'match' if self.lets_in else 'do not match'}"
        )


@dataclass(frozen=True, slots=True)
class PasswordBytes(Evidence):
    """Whether the given password has one of the characters that Dovecot refuses in any password.

    ``ended``: it has the byte 0, which ends it to Dovecot.
    """

    refused: bool
    ended: bool = False

    @property
    def seen(self) -> str:
        return f"the password has {'a' if self.refused else 'no'} character that Dovecot refuses"
