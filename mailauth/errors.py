"""The errors mailauth raises on purpose. Anything else that escapes is a bug of ours.

Expected answers (a mismatch, no such user, a malformed hash) are values, not errors.
A message says what, where, and what to do, in one sentence, and never holds a secret.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
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


def unseen(what: str, why: OSError, verb: str = "cannot be read") -> CannotObserve:
    """What may not be looked at, why, and, where that is a matter of rights, the command that would."""
    needs_root = isinstance(why, PermissionError) and os.geteuid() != 0
    return CannotObserve(f"{what}: {verb} ({why.strerror or why}).", needs_root=needs_root)


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


def from_world(why: BaseException, what: str = "what was asked for") -> CannotObserve | None:
    """What the world's own errors come to, where we look; None for one that is a bug of ours.

    ``what`` is named where a file may not be read, and the error does not say which one.
    """
    if isinstance(why, CannotObserve):
        return why
    if isinstance(why, PermissionError):
        return unseen(str(why.filename or what), why)
    # One of psutil's can only be here where psutil is; who has none of it loads none.
    psutil = sys.modules.get("psutil")
    if psutil and isinstance(why, psutil.AccessDenied):
        return CannotObserve(f"/proc/{why.pid}: may not be read by us.", needs_root=True)
    if psutil and isinstance(why, psutil.NoSuchProcess):
        return Ended(f"process {why.pid} ended while we looked")
    gone = ended(why)
    return Ended(gone) if gone else None


def ended(why: BaseException) -> str:
    """That a process ended while we looked, where what /proc had of it is gone for that; else ""."""
    if not isinstance(why, FileNotFoundError | ProcessLookupError):
        return ""
    found = re.match(r"/proc/(\d+)/", str(why.filename or ""))
    if found:
        try:
            Path(found[0], "root", ".").stat()
        except (FileNotFoundError, ProcessLookupError):
            return f"process {found[1]} ended while we looked"
        except OSError:
            return ""
    # /proc says ESRCH, and not which process, when one ends between open(2) and read(2): proc(5).
    return "a process ended while we looked" if isinstance(why, ProcessLookupError) else ""


def place_of(bug: BaseException) -> str:
    """Where it was raised, "file.py:12"; no more: a message or a local value might hold a secret."""
    import traceback  # noqa: PLC0415 - a bug only

    last = traceback.extract_tb(bug.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}"


class Refused(MailauthError):  # noqa: N818 - our decision, not a fault
    """We would not: writing without ``--apply``, a row that changed under us."""


class RowChanged(Refused):
    """Somebody else changed the row since it was read; nothing was written."""
