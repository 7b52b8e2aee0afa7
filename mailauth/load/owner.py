"""Whose server it is: a lab's may be loaded at will; any other has users who may have to wait.

A socket's listener is Dovecot's master: SO_PEERCRED of a Unix socket, the table of listening sockets
for TCP.  A lab's master runs with a configuration in a folder of the lab's own.
"""

from contextlib import suppress
from pathlib import Path

import psutil

from mailauth.clients.listening import stranger
from mailauth.dovecot import processes
from mailauth.errors import Refused
from mailauth.load.authpool import connected
from mailauth.load.plan import AuthTarget, ImapTarget, LoadPlan, Target, on_this_machine
from mailauth.visible import visible

_LAB_FOLDER = "mailauth-lab-"


def master_of(target: Target) -> int | None:
    """The PID of Dovecot's master behind the target; None where that is not seen."""
    if isinstance(target, AuthTarget):
        return _unix_listener(target.path)
    return _tcp_listener(target) if on_this_machine(target) else None


def is_lab(master: int | None) -> bool:
    """Whether that Dovecot is one of ``mailauth lab``'s."""
    if master is None:
        return False
    with suppress(OSError):
        words = processes.command(master)
        if b"-c" in words[:-1]:
            folder = Path(words[words.index(b"-c") + 1].decode(errors="replace")).parent
            return folder.name.startswith(_LAB_FOLDER)
    return False


def check_owner(target: Target, master: int | None, plan: LoadPlan, *, said: bool) -> bool:
    """Whether it is somebody's server, and not a lab's: whoever logs in meanwhile is to be thought of.

    Raises Refused where ``--i-own-this-server`` was not ``said`` and is needed: on another machine, at a
    proxy, and where the plan looks for what the server does not hold.
    """
    if is_lab(master):
        return False
    other = _proxy(target) if master is None and on_this_machine(target) else ""
    if said or (on_this_machine(target) and not plan.to_the_limit and not other):
        return True
    what = str(target.path) if isinstance(target, AuthTarget) else f"{target.host}:{target.port}"
    if not on_this_machine(target):
        where = "is not a loopback address"
    elif other:
        where = f"{other} listens there, not Dovecot, and may pass logins on to another machine"
    else:
        where = "is not a lab's Dovecot, and this load goes on until logins wait"
    raise Refused(
        f"{what}: {where}; say --i-own-this-server if you may do that, or rehearse it: mailauth load --lab."
    )


def refuse_strangers(target: Target) -> None:
    """No password is for another user's process.  Raises Refused.

    On another machine TLS and its certificate say who it is.
    """
    if isinstance(target, AuthTarget):
        what, other = str(target.path), _peer(target.path)[1]
        other = None if other in target.ours else other
    else:
        what = f"{target.host}:{target.port}"
        other = stranger(target.port, target.ours) if on_this_machine(target) else None
    if other is not None:
        raise Refused(
            f"{what}: a process of user {other} listens there, and no password was sent;"
            " if it is your Dovecot, name it by --pid."
        )


def _unix_listener(path: Path) -> int | None:
    return _peer(path)[0]


def _peer(path: Path) -> tuple[int | None, int | None]:
    """The process that listens at a socket, and its user."""
    with suppress(OSError), connected(path) as link:
        pid, uid = processes.peer(link)
        return pid or None, uid
    return None, None


def _tcp_listener(target: ImapTarget) -> int | None:
    """Of the processes that have the socket, the master is the one whose parent has it not."""
    parents: dict[int, int] = {}
    for pid in _holders(target.port):
        with suppress(OSError):  # login processes come and go
            if processes.name(pid) == "dovecot":  # a child that has just begun, too
                parents[pid] = processes.parent(pid)
    return next((pid for pid, parent in parents.items() if parent not in parents), None)


def _holders(port: int) -> set[int]:
    """The processes that listen there, as far as they may be seen."""
    with suppress(psutil.Error, OSError):
        return {
            one.pid
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid
        }
    return set()


def _proxy(target: Target) -> str:
    """The name of what listens in Dovecot's place; "" where nothing does, or it is not seen."""
    if isinstance(target, AuthTarget):
        return ""
    for pid in sorted(_holders(target.port)):
        with suppress(OSError):
            return visible(processes.name(pid))
    return ""
