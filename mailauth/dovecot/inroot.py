"""The files and sockets of another root, found and opened inside it: no link of theirs leads into ours.

The kernel takes an absolute link below /proc/PID/root from the root of whoever follows it.  So names are
walked here, link by link, and what is read is opened with openat2(2), which does that by itself and
cannot be overtaken by someone who exchanges a link meanwhile.  And what is opened of a process that is not
root's is opened as its user: its root may be our own, with files in it that are root's alone.

Source: openat2(2), RESOLVE_IN_ROOT (Linux 5.6); path_resolution(7), for 40 links.
"""

import ctypes
import errno
import fnmatch
import glob
import os
import re
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from mailauth import whole
from mailauth.dovecot import confining, entering, holding
from mailauth.oserrors import unseen
from mailauth.records import dataclass
from mailauth.visible import visible

_OPENAT2 = 437  # on x86-64, aarch64 and all others that got their numbers since Linux 5.1
_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10
_MOST_LINKS = 40
_ROOT = re.compile(r"(/proc/([0-9]+)/root)(?=/|$)")
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ONLY_NAMED = os.O_PATH | os.O_CLOEXEC  # a socket: it is connected to, not opened
_MOST_ADDRESS = 100
_MOST_SECONDS = 30.0  # to open a file
_UNKNOWN = (errno.ENOSYS, errno.EPERM)  # an old kernel; a sandbox that does not know the call
_MiB = 1024 * 1024
# Bytes that are read of a file, one bound for each kind.
PROGRAM, TABLE, CONFIGURATION, NUMBER = 64 * _MiB, 16 * _MiB, 4 * _MiB, 64
_LONGEST = 4095  # PATH_MAX without its NUL
_MOST_NAMES = 1_000_000  # in one folder, and of one pattern
_MOST_CHARACTERS = 64 * _MiB


class _How(ctypes.Structure):
    """Struct open_how."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def checked(name: str) -> str:
    """The name, where a file can have it.  Raises OSError for a NUL, and for what no encoding has.

    Whoever writes another root's files can name what they like; Python raises ValueError for it, and what the
    kernel is told through ctypes would end at the NUL.
    """
    if "\0" in name or any("\ud800" <= one < "\udc80" for one in name):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), visible(name, 80))
    return name


def found(root: str, name: str) -> Path:
    """A name of that root as a path that has no link in it, as far as there is something of that name.

    What may not be looked at stays as it is: opening it says so.  Raises OSError for links in a circle.
    """
    todo, done, links = checked(name).split("/")[::-1], list[str](), 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        try:
            target = str(Path("/".join((root, *done, part))).readlink())
        except OSError:  # no link, or nothing
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        if target.startswith("/"):
            done.clear()
        todo += target.split("/")[::-1]
    return Path("/".join((root, *done)) if done else f"{root}/")


@dataclass(slots=True)
class Allowance:
    """How many names may be looked at yet, and how many characters of those that match be kept.

    Whoever owns another root can have ten links to a folder in that folder, and ``*/*/*/*/*/*/*/*`` of them.
    """

    names: int = _MOST_NAMES
    characters: int = _MOST_CHARACTERS

    def take(self, name: str) -> str:
        """Raises OSError where there is no more to be had."""
        self.names -= 1
        self.characters -= len(name)
        if min(self.names, self.characters) < 0:
            raise OSError(errno.EFBIG, "there are more names than are looked at", name)
        return name


def names(pattern: str, locate: Callable[[str], Path], allowance: Allowance | None = None) -> list[str]:
    """The names that a shell's pattern has there, sorted; ``locate`` says where a name can be opened.

    ``allowance``: for several patterns together.  Raises CannotObserve where another root has more names
    than anybody's who is not hostile.
    """
    if len(pattern) > _LONGEST:  # no file is named so, and each "[" in it is looked for to the end
        raise unseen(
            visible(pattern, 80), OSError(errno.ENAMETOOLONG, "File name too long"), "was not listed"
        )
    try:
        checked(pattern)
    except OSError as why:
        raise unseen(visible(pattern, 80), why, "was not listed") from None
    if locate("/") == Path("/"):
        return sorted(glob.glob(pattern))  # noqa: PTH207 - the pattern is absolute
    seen, left = [""], allowance or Allowance()
    try:
        for part in pattern.split("/")[1:]:
            seen = [left.take(name) for folder in seen for name in _matching(folder, part, locate, left)]
    except OSError as why:
        raise unseen(pattern, why, "was not listed") from None
    return sorted(seen)


def _matching(folder: str, part: str, locate: Callable[[str], Path], left: Allowance) -> Iterator[str]:
    """As glob(3): what begins with a dot only where the pattern does.  Raises OSError for too many."""
    try:
        if not glob.has_magic(part):
            left.take("")
            locate(f"{folder}/{part}").lstat()
            yield f"{folder}/{part}"
            return
        listed = entries(locate(folder or "/"))
    except OSError as why:
        if why.errno == errno.EFBIG:
            raise
        return
    for name in listed:
        left.take("")
        if fnmatch.fnmatchcase(name, part) and (part[0] == "." or name[0] != "."):
            yield f"{folder}/{name}"


def entries(folder: Path) -> list[str]:
    """The names in a folder.  Raises OSError, also where there are more than anybody's who is not hostile."""
    with os.scandir(folder) as every:
        found = [one.name for one in islice(every, _MOST_NAMES + 1)]
    if len(found) > _MOST_NAMES:
        raise OSError(errno.EFBIG, f"there are more than {_MOST_NAMES:,} files in this folder", str(folder))
    return found


def opened(path: Path) -> BinaryIO:
    """A file to read: a pipe would be waited for, and a device has no end.  Raises OSError."""
    if elsewhere := _ROOT.match(checked(str(path))):
        descriptor = _of_process(elsewhere, path, _READ)
    else:
        descriptor = os.open(path, _READ)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file")
    return file


def content(path: Path, most: int) -> bytes:
    """All of a file.  Raises OSError, also where it is larger than ``most`` bytes."""
    with opened(path) as file:
        return whole.read(file, most, path)


def connect(link: socket.socket, path: Path) -> None:
    """To a socket by its path, also where that is longer than a socket address may be (108 bytes).

    In another root no link leads to a socket of ours, whoever exchanges it meanwhile.  Raises OSError.
    """
    if elsewhere := _ROOT.match(checked(str(path))):
        place, name = _of_process(elsewhere, path, _ONLY_NAMED), ""
    elif len(os.fsencode(path)) < _MOST_ADDRESS:
        link.connect(str(path))
        return
    else:
        place, name = os.open(path.parent, os.O_PATH | os.O_CLOEXEC), f"/{path.name}"
    try:
        if not name and not stat.S_ISSOCK(os.fstat(place).st_mode):
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED), str(path))
        link.connect(f"/proc/self/fd/{place}{name}")
    finally:
        os.close(place)


def process_of(path: Path) -> int | None:
    """The process in whose root a path is, as ``found`` writes it; None for one of our own root."""
    elsewhere = _ROOT.match(str(path))
    return int(elsewhere[2]) if elsewhere else None


def _of_process(elsewhere: re.Match[str], path: Path, flags: int) -> int:
    """Raises OSError, also when it is another process by now."""
    root, pid, name = elsewhere[1], int(elsewhere[2]), str(path)[elsewhere.end() :]
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.geteuid() == 0 and (entering.rights(pid).uid or "user" in entering.differing(pid)):
            descriptor = _as_its_user(pid, folder, root, name, flags)
        else:
            descriptor = _inside(folder, root, name, flags)
    finally:
        os.close(folder)
    if not holding.still(pid):
        os.close(descriptor)
        raise OSError(errno.ESRCH, "its process has ended", f"{root}{name}")
    return descriptor


def _as_its_user(pid: int, folder: int, root: str, name: str, flags: int) -> int:
    """Opened by a child that has that process's user and capabilities, and hands it over."""
    ours, its = socket.socketpair()
    child = os.fork()
    if not child:
        told = errno.EACCES
        try:
            confining.hold_only({its.fileno(), folder, *holding.descriptors()})
            entering.as_far_as_it_may(pid)
            confining.die_with_parent()
            descriptor = _inside(folder, root, name, flags)
            if flags == _ONLY_NAMED and not os.access(f"/proc/self/fd/{descriptor}", os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            socket.send_fds(its, [b"0"], [descriptor])
        except OSError as why:
            told = why.errno or told
            its.send(str(told).encode())
        finally:
            os._exit(0)
    its.close()
    try:
        with ours:
            ours.settimeout(_MOST_SECONDS)  # that user can stop it
            data, descriptors, _, _ = socket.recv_fds(ours, 16, 1)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.waitpid(child, 0)
    if descriptors:
        return descriptors[0]
    code = int(data or errno.EACCES)
    raise OSError(code, os.strerror(code), f"{root}{name}")


def _inside(folder: int, root: str, name: str, flags: int) -> int:
    """``folder`` is that root, opened."""
    how = _How(flags, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    libc = ctypes.CDLL(None, use_errno=True)
    words = (ctypes.c_long(folder), os.fsencode(name or "/"), ctypes.byref(how), ctypes.sizeof(how))
    descriptor: int = libc.syscall(ctypes.c_long(_OPENAT2), *words)
    if descriptor >= 0:
        return descriptor
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return _step_by_step(folder, name, flags)
    raise OSError(code, os.strerror(code), f"{root}{name}")


def _step_by_step(folder: int, name: str, flags: int) -> int:
    """What openat2(2) does: each part is opened below the one before, and a link is read as a name.

    The kernel follows none, so it does not matter who exchanges what meanwhile.
    """
    way = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    todo, at, links = name.split("/")[::-1], [os.dup(folder)], 0
    try:
        while todo:
            part = todo.pop()
            if part == ".." and len(at) > 1:
                os.close(at.pop())
            if part in ("", ".", ".."):
                continue
            at.append(os.open(part, way, dir_fd=at[-1]))
            if not stat.S_ISLNK(os.fstat(at[-1]).st_mode):
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
            target = os.readlink("", dir_fd=at[-1])
            for _ in range(len(at) - 1 if target.startswith("/") else 1):
                os.close(at.pop())
            todo += target.split("/")[::-1]
        return os.open(f"/proc/self/fd/{at[-1]}", flags)
    finally:
        for one in at:
            os.close(one)
