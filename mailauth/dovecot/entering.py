"""Become a process of another's: its namespaces, its root, and no more rights than it has.

A program of another root is run by root, and whoever owns that root may have put anything in its place: it
gets the user, the capabilities and the no_new_privs of the process that it is run beside.

And auth takes a login request only from the PID that it names, so doveadm must be where auth can see it;
measured on 2.4.1: "Session pid 4818 provided by master ... did not match peer credentials (pid=0, uid=0)".

Source: setns(2), user_namespaces(7), capabilities(7), prctl(2); auth_request_handler_master_request() of
Dovecot 2.3.19.1 and 2.4.1, src/auth/auth-request-handler.c.
"""

import ctypes
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

# The user namespace first: it gives the right to enter the others.  That of the mounts last: /proc is in it.
_KINDS = ("user", "cgroup", "ipc", "uts", "net", "pid", "mnt")
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_LAST_CAPABILITY = 63  # the sets of the kernel have 64 bits


def namespace(pid: int | str, kind: str) -> str:
    """Which namespace of that kind a process is in."""
    return str(Path(f"/proc/{pid}/ns/{kind}").readlink())


def differing(pid: int) -> list[str]:
    """The kinds of namespaces in which a process is apart from us.  Raises OSError."""
    return [kind for kind in _KINDS if namespace(pid, kind) != namespace("self", kind)]


def _enter(pid: int) -> list[str]:
    """Move this process, for good; what it starts is in the other's PID namespace, too.

    Returns the kinds of namespaces that it left.  Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY)
    root = os.open("root", os.O_PATH, dir_fd=process)
    kinds = differing(pid)  # one is not entered twice
    spaces = [os.open(f"ns/{kind}", os.O_RDONLY, dir_fd=process) for kind in kinds]
    if "user" in kinds and os.geteuid() == 0:
        os.setgroups(())  # while we may: a user namespace can forbid it
    for space in spaces:
        _call(libc, "setns", space, 0)
    told = _status(process)
    os.fchdir(root)
    os.chroot(".")
    if "user" in kinds:
        uid, gid = (int(told[name].split()[1]) for name in ("Uid", "Gid"))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    _bind(libc, told)
    for descriptor in (process, root, *spaces):
        os.close(descriptor)
    return kinds


def go(pid: int) -> None:
    """In a forked child: enter, in a child of its own where that is to be in another PID namespace.

    Who enters one is not in it, and can start no thread either; the one in between waits.  Raises OSError.
    """
    if "pid" not in _enter(pid):
        return
    if child := os.fork():
        _wait(child)
    _call(ctypes.CDLL(None, use_errno=True), "prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _bind(libc: ctypes.CDLL, rights: dict[str, str]) -> None:
    """Let no program that is run from here have more capabilities than that process may have."""
    bounds = int(rights["CapBnd"], 16)
    for number in range(_LAST_CAPABILITY + 1):
        if not bounds >> number & 1:
            with suppress(OSError):  # EINVAL for what this kernel has not; EPERM where there is none to lose
                _call(libc, "prctl", _PR_CAPBSET_DROP, number, 0, 0, 0)
    if rights.get("NoNewPrivs") == "1":
        _call(libc, "prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _wait(child: int) -> None:
    """End as the child ends.  Nothing is kept open that others wait for the end of."""
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _status(process: int) -> dict[str, str]:
    """/proc/PID/status, with the numbers of users as our user namespace has them."""
    with os.fdopen(os.open("status", os.O_RDONLY, dir_fd=process), errors="replace") as file:
        return dict(re.findall(r"^(\w+):\s*(.*)$", file.read(), re.MULTILINE))


def _call(libc: ctypes.CDLL, name: str, *words: int) -> None:
    if getattr(libc, name)(*words):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
