"""Hold on to the process that was named: a PID is a number, and another process may get it.

Source: pidfd_open(2), Linux 5.3; field 22 of proc_pid_stat(5), when it started, for kernels before.
"""

import os
import select
from contextlib import suppress
from pathlib import Path

from mailauth.dovecot.processes import began
from mailauth.dovecot.rights import Rights, of, of_pid
from mailauth.errors import CannotObserve
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class _Held:
    """``descriptor`` is readable when it has ended; None: the kernel has no such thing.

    ``rights``: those that it had at first.
    """

    descriptor: int | None
    began: int
    rights: Rights


_held: dict[int, _Held] = {}  # as long as we run: it is of the run that a process stays the same


def hold(pid: int) -> None:
    """From now on it is this process that ``pid`` means.

    Raises OSError when there is none, and OthersError for one that runs with the rights of another user.
    """
    if (before := _held.pop(pid, None)) and before.descriptor is not None:
        os.close(before.descriptor)
    descriptor = None
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # an old kernel, or a sandbox that does not know the call
        descriptor = None
    try:
        _held[pid] = _Held(descriptor, began(pid), of_pid(pid))
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)
        raise


def rights(pid: int, process: int) -> Rights:
    """What it may do of what it could when it was first held; ``process``: its folder in /proc.

    The number of a process stays when it runs another program, be that one of root's that anybody may start.
    Raises OSError when it has ended, and OthersError.
    """
    if pid not in _held:
        hold(pid)
    return of(process).within(_held[pid].rights)


def mark(pid: int) -> str:
    """To be kept with a PID: tells it from whatever has its number later.  Raises OSError.

    Which start of the machine, and when in it the process began.  Source: random(4), boot_id.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return f"{boot}/{began(pid)}"


def still(pid: int) -> bool:
    """Whether it is the process that it was; held from the first time on."""
    if pid not in _held:
        try:
            hold(pid)
        except OSError:
            return False
    held = _held[pid]
    if held.descriptor is not None:
        poll = select.poll()
        poll.register(held.descriptor, select.POLLIN)
        return not poll.poll(0)
    with suppress(OSError):
        return began(pid) == held.began
    return False


def descriptors() -> set[int]:
    """What it needs to tell that."""
    return {one.descriptor for one in _held.values() if one.descriptor is not None}


def check(pid: int) -> None:
    """Raises CannotObserve when it has ended, whoever has its number now."""
    if not still(pid):
        raise CannotObserve(gone(pid))


def gone(pid: int) -> str:
    """One sentence for it."""
    return f"process {pid} has ended, and its number may be another's now; name the Dovecot that runs."
