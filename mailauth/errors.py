"""The errors mailauth raises on purpose. Anything else that escapes is a bug of ours.

Expected answers (a mismatch, no such user, a malformed hash) are values, not errors.
A message says what, where, and what to do, in one sentence, and never holds a secret.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

# What shows what an ordinary user may not see; the command line puts its own words in.
AS_ROOT = "run: sudo mailauth diagnose USER"


class MailauthError(Exception):
    """Base of those below."""


class UsageError(MailauthError):
    """The reader can mend it now: a wrong argument, no such file. Exit status 2."""


class CannotObserve(MailauthError):  # noqa: N818 - it is a state of the world, not a fault
    """The world would not let us look: permission, refused, absent. Becomes ``Unobserved``."""


class NoAnswerInTime(CannotObserve):
    """What was asked does not answer; to ask it once more is to wait as long again."""


def unseen(what: str, why: OSError, verb: str = "cannot be read") -> CannotObserve:
    """What may not be looked at, why, and, where that is a matter of rights, the command that would."""
    command = f"; {AS_ROOT}" if isinstance(why, PermissionError) and os.geteuid() else ""
    return CannotObserve(f"{what}: {verb} ({why.strerror or why}){command}.")


def joined(problems: Sequence[str]) -> str:
    """Several reasons as one, with the command for all of them at the end, once."""
    ends = f"; {AS_ROOT}."
    told = [problem.removesuffix(ends).removesuffix(".") for problem in problems]
    last = ends if any(problem.endswith(ends) for problem in problems) else "."
    return "; ".join(told) + last


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
