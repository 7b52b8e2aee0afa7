"""The errors mailauth raises on purpose. Anything else that escapes is a bug of ours.

Expected answers (a mismatch, no such user, a malformed hash) are values, not errors.
A message says what, where, and what to do, in one sentence, and never holds a secret.
"""

from collections.abc import Sequence
from typing import Protocol

# What shows what an ordinary user may not see; the command line puts its own words in.
AS_ROOT = "run: sudo mailauth diagnose USER"


class MailauthError(Exception):
    """Base of those below.

    ``needs_root``: root would see it; the text then ends with the command that does.  ``needs_option``: an
    option of the command line would show it.
    """

    def __init__(self, reason: str = "", *, needs_root: bool = False, needs_option: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.needs_root, self.needs_option = reason, needs_root, needs_option

    def __str__(self) -> str:
        return f"{self.reason.removesuffix('.')}; {AS_ROOT}." if self.needs_root else self.reason

    @property
    def ours(self) -> bool:
        """That it was not seen is no fault of the server's: the right or the option was missing."""
        return self.needs_root or self.needs_option


class UsageError(MailauthError):
    """The reader can mend it now: a wrong argument, no such file. Exit status 2."""


class CannotObserve(MailauthError):  # noqa: N818 - it is a state of the world, not a fault
    """The world would not let us look: permission, refused, absent. Becomes ``Unobserved``."""


class NoAnswerInTime(CannotObserve):
    """What was asked does not answer; to ask it once more is to wait as long again."""


class Ended(CannotObserve):
    """A process ended while we looked at it: the next look may see more."""


def joined(problems: Sequence["Reason"]) -> CannotObserve:
    """Several reasons as one, with the command for all of them at the end, once."""
    told = (one.text.removesuffix(f"; {AS_ROOT}.").removesuffix(".") for one in problems)
    return CannotObserve(f"{'; '.join(told)}.", needs_root=any(one.needs_root for one in problems))


class Reason(Protocol):
    """Why something was not seen, whoever keeps it; ``text`` ends with the command where it needs root."""

    @property
    def text(self) -> str: ...
    @property
    def needs_root(self) -> bool: ...


class Refused(MailauthError):  # noqa: N818 - our decision, not a fault
    """We would not: writing without ``--apply``, a row that changed under us."""


class BatchRefused(Refused):
    """The store would not write; ``why`` is its own word."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; this batch was not changed.")
        self.why, self.args = why, (why,)  # what it is made of again in another process


class RowChanged(Refused):
    """Somebody else changed the row since it was read; nothing was written."""
