"""Whether a process is the master of a Dovecot, and whose: its name alone says nothing, anyone takes that.

A process of an ordinary user's is looked into with that user's rights and no more, wherever it is: what its
command line names, root would read for it.

Source: proc_pid_exe(5), unix(7), /proc/net/unix; service_unix_listener_listen(), src/master/service-listen.c
of Dovecot 2.3.19.1 and 2.4.1: the master opens all sockets below base_dir, and keeps them.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from mailauth.dovecot import entering, holding, inroot, processes
from mailauth.dovecot.rights import OthersError
from mailauth.errors import CannotObserve, UsageError
from mailauth.records import dataclass

_LISTENS = "00010000"  # flags: __SO_ACCEPTCON
_MOST_DESCRIPTORS = 65536


@dataclass(frozen=True, slots=True)
class Master:
    """A process that looks like one; held from now on.  ``apart``: we look into it from inside."""

    pid: int
    argv: tuple[str, ...]
    apart: bool

    @property
    def config(self) -> str | None:
        """The configuration file that it was started with."""
        return self.argv[self.argv.index("-c") + 1] if "-c" in self.argv[:-1] else None


def master(pid: int) -> Master:
    """Raises UsageError when it is none, and CannotObserve when it is not ours to look into."""
    try:
        holding.hold(pid)
        name = Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
        words = processes.command(pid)
        if name != "dovecot":
            raise UsageError(f"--pid {pid}: this is {name}, not a Dovecot master process.")
        program = Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
        if program != "dovecot":
            raise UsageError(
                f"--pid {pid}: this calls itself dovecot, and runs {program}: no Dovecot's master."
            )
        elsewhere = not Path(f"/proc/{pid}/root").samefile("/") or any(
            kind in entering.differing(pid) for kind in ("user", "mnt", "net")
        )
        users = os.geteuid() == 0 and entering.rights(pid).uid != 0
    except OthersError as why:
        raise UsageError(f"--pid {pid}: {why.strerror}: this is no Dovecot's master.") from None
    except PermissionError:
        raise CannotObserve(f"--pid {pid}: only root may look into this process.", needs_root=True) from None
    except (OSError, OverflowError):  # it ends just now
        raise UsageError(f"--pid {pid}: there is no such process.") from None
    holding.check(pid)
    argv = tuple(word.decode("utf-8", "surrogateescape") for word in words)
    return Master(pid, argv, elsewhere or users)


def listens(pid: int, base_dir: str) -> bool | None:
    """Whether it holds a socket that waits below ``base_dir``; None where we may not see that."""
    try:
        held = set(_descriptors(pid))
        below = tuple(f"{place}/" for place in _places(pid, base_dir))
        # a line at a time: whoever lives there can have opened a million
        with Path(f"/proc/{pid}/net/unix").open(encoding="utf-8", errors="replace") as table:
            waiting = (fields for line in table if len(fields := line.split(maxsplit=7)) == 8)
            return any(
                fields[3] == _LISTENS and fields[7].startswith(below) and f"socket:[{fields[6]}]" in held
                for fields in waiting
            )
    except PermissionError:
        return None
    except OSError:
        return False


def _places(pid: int, folder: str) -> set[str]:
    """A folder as it is named, and as it is without links."""
    places = {folder.rstrip("/")}
    with suppress(OSError):
        root = f"/proc/{pid}/root"
        places.add(str(inroot.found(root, folder)).removeprefix(root))
    return places


def _descriptors(pid: int) -> Iterator[str]:
    """What a process has open, as /proc names it; one that is closed meanwhile is left out."""
    for one in islice(Path(f"/proc/{pid}/fd").iterdir(), _MOST_DESCRIPTORS):
        with suppress(FileNotFoundError):
            yield str(one.readlink())
