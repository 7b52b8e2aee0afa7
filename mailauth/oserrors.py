"""What the errors of the operating system come to, where we look; and where a bug of ours was raised."""

import os
import re
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from mailauth.errors import CannotObserve, Ended
from mailauth.later import later

if TYPE_CHECKING:
    import pathlib
else:
    pathlib = later("pathlib")  # every command imports this module, and --help needs no path


def unseen(what: str, why: OSError, verb: str = "cannot be read") -> CannotObserve:
    """What may not be looked at, why, and, where that is a matter of rights, the command that would."""
    needs_root = isinstance(why, PermissionError) and os.geteuid() != 0
    return CannotObserve(f"{what}: {verb} ({why.strerror or why}).", needs_root=needs_root)


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
    found = re.match(r"/proc/([0-9]+)/", str(why.filename or ""))
    if found:
        try:
            pathlib.Path(found[0], "root", ".").stat()
        except (FileNotFoundError, ProcessLookupError):
            return f"process {found[1]} ended while we looked"
        except OSError:
            return ""
    # /proc says ESRCH, and not which process, when one ends between open(2) and read(2): proc(5).
    return "a process ended while we looked" if isinstance(why, ProcessLookupError) else ""


def raised_in(why: BaseException, libraries: Collection[str], begins: tuple[str, ...] = ("",)) -> bool:
    """Whether one of these libraries raised it, at work for us: they read whatever a server answers.

    ``begins``: how the names of those of its functions begin that read.  What it calls of ours is ours.
    """
    frame, found = why.__traceback__, False
    while frame is not None:
        name = str(frame.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        found = name != "mailauth" and (
            found or (name in libraries and frame.tb_frame.f_code.co_name.startswith(begins))
        )
        frame = frame.tb_next
    return found


def place_of(bug: BaseException) -> str:
    """Where it was raised, "file.py:12"; no more: a message or a local value might hold a secret."""
    import traceback  # noqa: PLC0415 - a bug only

    last = traceback.extract_tb(bug.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}"
