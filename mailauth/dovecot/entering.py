"""Become a process beside another: in its namespaces and its root, with no more rights than it has.

A program of another root is run by root, and whoever owns that root may have put anything in its place.  So
it gets what an engine's exec gives: all namespaces, the user, the groups, the capabilities, the control
groups of the process that it is run beside; and never privileges that are new, or calls of the kernel that
Dovecot's programs do not make (``confining``).

And auth takes a login request only from the PID that it names, so doveadm must be where auth can see it;
measured on 2.4.1: "Session pid 4818 provided by master ... did not match peer credentials (pid=0, uid=0)".

Source: setns(2), user_namespaces(7), capabilities(7), cgroups(7); auth_request_handler_master_request() of
Dovecot 2.3.19.1 and 2.4.1, src/auth/auth-request-handler.c.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from importlib.machinery import BuiltinImporter, FrozenImporter
from pathlib import Path

import psutil

from mailauth.dovecot import confining, holding
from mailauth.dovecot.rights import Rights, of

# The user namespace first: it gives the right to enter the others.  That of the mounts last: /proc is in it.
_KINDS = ("user", "cgroup", "ipc", "uts", "net", "pid", "mnt")
_ENDING = 5.0  # seconds to kill what was started in there


def namespace(pid: int | str, kind: str) -> str:
    """Which namespace of that kind a process is in."""
    return str(Path(f"/proc/{pid}/ns/{kind}").readlink())


def differing(pid: int) -> list[str]:
    """The kinds of namespaces in which a process is apart from us.  Raises OSError."""
    return [kind for kind in _KINDS if namespace(pid, kind) != namespace("self", kind)]


def in_our_root(pid: int) -> bool:
    """Whether its files are ours, and only our root can have mounted others over them.

    False where that may not be seen.
    """
    try:
        return Path(f"/proc/{pid}/root").samefile("/") and "user" not in differing(pid)
    except OSError:
        return False


def rights(pid: int) -> Rights:
    """What it may do now, and could when it was first looked at.

    Raises OSError when there is no such process, and OthersError where it is another user's by now: an
    ordinary user's process becomes root's where it starts a program like su.
    """
    process = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY)
    try:
        return holding.rights(pid, process)
    finally:
        os.close(process)


def users_of(pid: int | None) -> frozenset[int]:
    """The user of a Dovecot that was named by its process; nobody where it has ended."""
    with suppress(OSError):
        return frozenset({rights(pid).uid}) if pid else frozenset()
    return frozenset()


def as_far_as_it_may(pid: int) -> None:
    """In a forked child: that process's user and capabilities, and nothing else of it; to open its files."""
    process = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY)
    apart = namespace(pid, "user") != namespace("self", "user")
    space = os.open("ns/user", os.O_RDONLY, dir_fd=process) if apart else None
    holding.check(pid)
    told = holding.rights(pid, process)
    confining.hide()
    if apart and os.geteuid() == 0:
        os.setgroups(())
    if space is not None:
        confining.call("setns", space, 0)
        told = of(process).capable(told)  # with the numbers of users that it has in there
    _assume(told, apart=apart, root=True)


def go(pid: int, seconds: float, *, program: bool) -> None:
    """In a forked child: enter, in a child of its own where that is to be in another PID namespace.

    Who enters one is not in it, and can start no thread either; the one in between waits.  With ``program``
    one more stays: whatever the program starts and leaves alone becomes its child, and it ends last.
    Raises OSError, and CannotObserve where the process is another by now.
    """
    os.setsid()  # no terminal of ours, into which something could be typed
    others = confining.limits_of(pid)
    if program:
        confining.take_label(pid)
    else:
        _import_nothing()
    if "pid" in _enter(pid):
        confining.die_with_parent()  # who waits, too: what it waits for would be nobody's, and stay
        if child := os.fork():
            _wait(child)
    confining.die_with_parent()
    if program:
        confining.adopt()
        if child := os.fork():
            _wait(child)
        confining.die_with_parent()
    confining.limit(seconds, others, program=program)
    confining.filter_calls(program=program)


def _import_nothing() -> None:
    """What a library asks for in there would be looked for below our own path, in the other's root.

    PyMySQL imports nacl where a server wants ed25519: its owner's code would run in a copy of our memory.
    """
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]


def _enter(pid: int) -> list[str]:
    """Move this process, for good; what it starts is in the other's PID namespace, too.

    Returns the kinds of namespaces that it left.  Raises OSError.
    """
    confining.hide()
    us = os.geteuid()
    process = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY)
    root = os.open("root", os.O_PATH, dir_fd=process)
    kinds = differing(pid)  # one is not entered twice
    spaces = [os.open(f"ns/{kind}", os.O_RDONLY, dir_fd=process) for kind in kinds]
    groups = _control_groups(pid) if us == 0 else []
    holding.check(pid)  # all that was opened is that process's
    told = holding.rights(pid, process)
    _join(groups)
    if "user" in kinds and us == 0:
        os.setgroups(())  # while we may: a user namespace can forbid it
    for space in spaces:
        confining.call("setns", space, 0)
    if "user" in kinds:
        told = of(process).capable(told)  # with the numbers of users that it has in there
    os.fchdir(root)
    os.chroot(".")
    _assume(told, apart="user" in kinds, root=us == 0)
    for descriptor in (process, root, *spaces):
        os.close(descriptor)
    return kinds


def _assume(told: Rights, *, apart: bool, root: bool) -> None:
    """Its user and capabilities.  Where the user namespace is ``apart``, groups were given up before.

    A root's programs get what the bounding set has, as by an engine's exec: a master of 2.4 gave up more.
    """
    if root or apart:
        confining.become(told.uid, told.gid, None if apart else list(told.groups))
    confining.bound(told.bounding, told.permitted if told.uid else told.bounding)
    confining.hide()  # a change of user undid it


def _control_groups(pid: int) -> list[Path]:
    """The files that put a process into the control groups of that one, with its limits of memory."""
    found = []
    with suppress(OSError):
        own = set(Path("/proc/self/cgroup").read_text("utf-8", "replace").splitlines())
        for line in Path(f"/proc/{pid}/cgroup").read_text("utf-8", "replace").splitlines():
            _, names, path = line.split(":", 2)
            if line not in own and "/.." not in path:
                found += [Path(f"{top}{path}/cgroup.procs") for top in tops(names)]
    return found


def tops(names: str) -> list[str]:
    """Where a hierarchy of control groups is mounted, most often: systemd's places."""
    if not names:
        return ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
    return [f"/sys/fs/cgroup/{names.removeprefix('name=')}"]


def _join(groups: list[Path]) -> None:
    """As far as there is such a group, and it takes processes: one that is divided takes none."""
    for file in groups:
        with suppress(OSError), file.open("w") as group:
            group.write("0")


def _wait(child: int) -> None:
    """End as the child ends, after all that it left.  Nothing is kept open: others wait for its end."""
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    ended = 0
    with suppress(ChildProcessError):
        while True:
            one, status = os.waitpid(-1, 0)
            if one == child:
                ended = status
    code = os.waitstatus_to_exitcode(ended)
    os._exit(code if code >= 0 else 128 - code)


def end(child: int, *, apart: bool) -> None:
    """Kill a child of ours that entered, and all below it: from outside, where every one is seen.

    ``apart``: into another PID namespace.  Those of ours that wait in there come last: they take in whatever
    is left alone meanwhile.
    """
    until = time.monotonic() + _ENDING
    with suppress(psutil.Error):
        first = psutil.Process(child)
        while time.monotonic() < until and (below := _programs(first, apart=apart)):
            for one in below:
                with suppress(psutil.Error):
                    one.kill()
    for number in (*_below(child), child):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def _programs(first: psutil.Process, *, apart: bool) -> list[psutil.Process]:
    waits = {one.pid for one in first.children()} if apart else set[int]()
    found = []
    for one in first.children(recursive=True):
        with suppress(psutil.Error):
            if one.pid not in waits and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def _below(child: int) -> list[int]:
    with suppress(psutil.Error):
        return [one.pid for one in psutil.Process(child).children(recursive=True)]
    return []
