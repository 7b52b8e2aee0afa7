"""Start processes for another, and when that other ends, even by SIGKILL, end them all.

Run as a script, ``python -I -S keeper.py SOCKET CALLER FOLDER``, with the standard library only (of it, what
imports quickly: no pathlib), so that it is up in a few milliseconds.  ``household.py`` is the caller's side.
Requests and replies are lines of JSON on SOCKET.

Why a process of its own: nothing in the caller runs after SIGKILL.  The keeper adopts every orphan
(PR_SET_CHILD_SUBREAPER), so a daemon that leaves its parent is still a child of ours to be found and killed.
Why a pidfd beside the socket: a fork of the caller holds the socket open after the caller's death.
"""

# ruff: noqa: PTH102, PTH123, PTH208 - pathlib takes as long to import as all the rest
import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
# A database that has not heeded its signal by then is killed; PostgreSQL gives its own processes 5 s.
STOP_SECONDS = 20.0

_libc = ctypes.CDLL(None, use_errno=True)
_stop_signals: dict[int, int] = {}  # what we were asked to start, in that order -> how it is stopped
_statuses: dict[int, int] = {}


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    caller, folder = int(sys.argv[2]), sys.argv[3]
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.umask(0o022)
    for name in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(name, signal.SIG_IGN)
    ended = pidfd_or_none(caller)
    if ended is None:
        return
    try:
        os.mkdir(folder, 0o711)
        serve(channel, ended)
    finally:
        clean_up(folder)


def pidfd_or_none(caller: int) -> int | None:
    """A descriptor that becomes readable when the caller ends; None when it has ended already."""
    try:
        ended = os.pidfd_open(caller)
    except OSError:
        return None
    return ended if os.getppid() == caller else None


def serve(channel: socket.socket, ended: int) -> None:
    """Answer requests until the caller closes the channel or ends, or we get SIGTERM."""
    awake, wake = socket.socketpair()
    awake.setblocking(False)
    wake.setblocking(False)
    told_to_end: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.append(True))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    try:
        listen(channel, ended, awake, told_to_end)
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # cleaning up is what it asks for


def listen(channel: socket.socket, ended: int, awake: socket.socket, told_to_end: list[bool]) -> None:
    poll = select.poll()
    for descriptor in (channel.fileno(), ended, awake.fileno()):
        poll.register(descriptor, select.POLLIN)
    unread = b""
    say(channel, {"ready": os.getpid()})
    while not told_to_end:
        events = dict(poll.poll())
        if awake.fileno() in events:
            awake.recv(4096)
            reap()
        if ended in events:
            return
        if channel.fileno() in events:
            read = channel.recv(65536)
            if not read:
                return
            *lines, unread = (unread + read).split(b"\n")
            for line in lines:
                say(channel, answer(json.loads(line)))


def say(channel: socket.socket, what: dict[str, Any]) -> None:
    with suppress(OSError):  # a caller that is gone is noticed by poll()
        channel.sendall(json.dumps(what).encode() + b"\n")


def answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        match request["do"]:
            case "start":
                return {"pid": start(request)}
            case "stop":
                return {"status": stop(request["pid"])}
            case _:
                reap()
                return {"status": _statuses.get(request["pid"])}
    except OSError as why:
        return {"error": f"{why.filename or request.get('argv', ['?'])[0]}: {why.strerror}"}


# Starting


def start(request: dict[str, Any]) -> int:
    """Start argv and return its process id; raises the OSError that the child met before it ran argv."""
    told, tell = os.pipe()  # closed by exec: end of file means that argv runs
    child = os.fork()
    if child == 0:
        try:
            os.close(told)
            become(request)
        except OSError as why:
            os.write(tell, json.dumps([why.errno, why.strerror, why.filename]).encode())
        finally:
            os._exit(127)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        failure = pipe.read()
    if failure:
        os.waitpid(child, 0)
        raise OSError(*json.loads(failure))
    _statuses.pop(child, None)  # of one that had the same number
    _stop_signals[child] = getattr(signal, request.get("stop") or "SIGKILL")
    return child


def become(request: dict[str, Any]) -> None:
    """Turn this fork into argv: its own session, output, root folder and user."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDONLY)
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    if request.get("root"):
        enter(request["root"], request["binds"])
    if request.get("uid") is not None:
        os.setgroups([])
        os.setresgid(*(request["gid"],) * 3)
        os.setresuid(*(request["uid"],) * 3)
    _libc.prctl(PR_SET_PDEATHSIG, getattr(signal, request.get("stop") or "SIGKILL"), 0, 0, 0)
    os.execve(request["argv"][0], request["argv"], request["env"])  # noqa: S606 - no shell is wanted


def enter(root: str, binds: list[list[str]]) -> None:
    """Make ``root`` our root folder, in a mount namespace that vanishes with the processes in it."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        call("unshare", CLONE_NEWNS)
    else:
        try:
            call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        except OSError as why:
            raise OSError(
                why.errno, "without root this needs a user namespace, and the kernel allows none", root
            ) from why
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    # In a chroot, "/" need not be a mount, and then cannot be made private: go to the namespace's own root.
    opened = [os.open(path, os.O_PATH) for path in (root, *(source for source, _ in binds))]
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    call("setns", namespace, CLONE_NEWNS)
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    os.fchdir(opened[0])
    for descriptor, (_, target) in zip(opened[1:], binds, strict=True):
        source = f"/proc/self/fd/{descriptor}".encode()
        call("mount", source, f".{target}".encode(), None, MS_BIND | MS_REC, None)
    os.chroot(".")
    os.chdir("/")


def call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        shown = " ".join(os.fsdecode(one) for one in arguments if isinstance(one, bytes))
        raise OSError(number, os.strerror(number), f"{name} {shown}".strip())


# Ending


def children() -> list[int]:
    """Our children: those we started, and the orphans we adopted.

    The kernel's list of them is whole, since none leaves it but by our own waitpid().
    """
    me = os.getpid()
    with suppress(OSError), open(f"/proc/{me}/task/{me}/children", "rb") as file:
        return [int(pid) for pid in file.read().split()]
    return children_by_parent(me)


def children_by_parent(me: int) -> list[int]:
    """The same where the kernel has no CONFIG_PROC_CHILDREN: of all processes, those whose parent we are."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name, in parentheses, may hold anything; behind it come the state and the parent.
                if int(file.read().rpartition(b")")[2].split()[1]) == me:
                    found.append(int(name))
    return found


def reap() -> None:
    with suppress(ChildProcessError):
        while True:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            if child in _stop_signals:
                _statuses[child] = os.waitstatus_to_exitcode(status)


def signal_to(child: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)


def stop(child: int) -> int | None:
    """Stop one that we started, and the orphans it leaves; its exit status."""
    if child not in _statuses:
        signal_to(child, _stop_signals[child])
    deadline = time.monotonic() + STOP_SECONDS
    while child not in _statuses:
        reap()
        time.sleep(0.001)
        if time.monotonic() > deadline:
            signal_to(child, signal.SIGKILL)
    _stop_signals.pop(child)
    while orphans := [one for one in children() if one not in _stop_signals]:
        for orphan in orphans:
            signal_to(orphan, signal.SIGKILL)
        time.sleep(0.001)
        reap()
    return _statuses[child]


def clean_up(folder: str) -> None:
    """Stop all, last started first; then whatever is left of our descendants; then remove the folder."""
    for child in reversed(list(_stop_signals)):
        stop(child)
    with suppress(ChildProcessError):
        while True:
            for orphan in children():
                signal_to(orphan, signal.SIGKILL)
            os.waitpid(-1, 0)
    import shutil  # noqa: PLC0415 - slow to import, and not needed to start

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
