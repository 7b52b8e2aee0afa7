"""Replace a file whole: a reader sees the old one or the new one, whatever happens in between.

The new content goes into a file beside it, readable by its maker only until it has the owner, the mode
and the extended attributes (SELinux context, ACLs) of the old one; both it and the folder are on disk
before this returns.  All names are taken below one open folder, so nobody can move it away under us.

Raises Refused, with nothing changed, when any of it cannot be done.
"""

import dataclasses
import errno
import fcntl
import os
import re
import secrets
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mailauth import lines
from mailauth.counted import counted
from mailauth.errors import Refused
from mailauth.records import dataclass
from mailauth.stores import lock_owner

_MARK = ".mailauth-"
_WAIT = 10.0  # seconds for another's lock
_CHUNK = 1024 * 1024
_MOST_LINKS = 40  # as the kernel: path_resolution(7)


class MovedError(Refused):
    """Somebody else wrote the file between our reading and our writing; it may be tried again."""


@dataclass(frozen=True, slots=True)
class Place:
    """An existing regular file: its folder, opened; its own name there; what it was when we looked."""

    folder: int
    name: str
    shown: str
    status: os.stat_result

    @property
    def others(self) -> tuple[str, ...]:
        """What the reader should know of: names of the same file that will keep the old content."""
        count = self.status.st_nlink - 1
        if not count:
            return ()
        more = counted(count, "more hard link")
        return (f"{self.shown} has {more}: names under which the old content stays.",)

    def reader(self) -> BinaryIO:
        """The file's content, for reading.  Raises Refused where it is no file any more."""
        return os.fdopen(_open(self.folder, self.name, os.O_RDONLY, self.shown), "rb")


@contextmanager
def opened(path: Path, shown_as: str = "") -> Iterator[Place]:
    """The real file behind ``path``: symbolic links are followed once, here, and never again.

    Each folder is opened below the one before: what is exchanged for a link meanwhile is not followed.
    """
    shown = shown_as or str(path)
    if re.match(r"/proc/[0-9]+/root/", str(path)):  # whose links would lead back into our own root
        raise ValueError("a file in another root is changed from inside it")
    try:
        real = _real(path, shown)
        folder = _folder(real.parent)
    except OSError as why:
        raise Refused(f"{shown}: cannot be changed ({why.strerror}).") from None
    try:
        try:
            status = os.stat(real.name, dir_fd=folder, follow_symlinks=False)
            lines.fit(status.st_size)
        except OSError as why:
            raise Refused(f"{shown}: cannot be changed ({why.strerror}).") from None
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{shown}: is no regular file, so it is left alone.")
        yield Place(folder, real.name, str(real) if path != real else shown, status)
    finally:
        os.close(folder)


@contextmanager
def held(path: Path, how: int = os.O_RDONLY) -> Iterator[int]:
    """A descriptor of the file or folder that a path leads to, as ``opened`` finds it.  Raises as that."""
    real = _real(path, str(path))
    folder = _folder(real.parent, os.O_PATH)
    try:
        flags = how | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        file = os.open(real.name or ".", flags, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        yield file
    finally:
        os.close(file)


def _real(path: Path, shown: str) -> Path:
    """Where a path leads.  A link of another user's, anywhere in it, may lead to a file of their choice.

    Raises OSError, and Refused for such a link.
    """
    todo, done, owners = list(path.absolute().parts[:0:-1]), Path("/"), list[int]()
    while todo:
        part = todo.pop()
        if part == "..":
            done = done.parent
            continue
        state = (done / part).lstat()
        if not stat.S_ISLNK(state.st_mode):
            done /= part
            continue
        owners.append(state.st_uid)
        if len(owners) > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), shown)
        target = (done / part).readlink()
        done = Path("/") if target.is_absolute() else done
        todo += [one for one in reversed(target.parts) if one != "/"]
    for owner in owners:
        if owner not in (0, os.geteuid(), done.stat().st_uid):
            raise Refused(
                f"{shown}: a symbolic link that belongs to user {owner} is on the way to another's file."
            )
    return done


def _folder(path: Path, to: int = os.O_RDONLY) -> int:
    """A folder, opened part by part, none of which is a link.  Raises OSError."""
    way = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    at = os.open("/", way)
    try:
        for part in path.parts[1:]:
            below = os.open(part, way, dir_fd=at)
            os.close(at)
            at = below
        return os.open(".", to | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)


def _open(folder: int, name: str, flags: int, shown: str) -> int:
    """A regular file, which it may not be any more; a pipe is not waited for.  Raises OSError, Refused."""
    file = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise Refused(f"{shown}: is no regular file any more; nothing was changed.")


def replace(place: Place, content: Iterable[bytes], *, ready: Callable[[], None] = lambda: None) -> None:
    """Put ``content`` in place.  ``ready`` is called just before it counts, and may raise Refused."""
    with _written(place.folder, place.name, content, place.shown) as (temporary, new):
        with _refusing(place.shown):
            _dress(place, new)
        ready()
        now = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
        if _identity(now) != _identity(place.status):
            raise MovedError(f"{place.shown}: was changed by someone else meanwhile; nothing was written.")
        _check(place.folder, temporary, new, place.shown)
        with _refusing(place.shown):
            os.rename(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
            os.fsync(place.folder)


def create(path: Path, content: bytes, like: Path) -> None:
    """Make a file that is not there, with the owner and the mode of ``like``.  Raises Refused."""
    with _refusing(str(path)):
        folder = _folder(_real(path.parent, str(path)))
    try:
        with _written(folder, path.name, [content], str(path)) as (temporary, new), _refusing(str(path)):
            _own(new, like.stat())
            os.fsync(new)
            _check(folder, temporary, new, str(path))
            os.link(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)  # never over another's
            os.unlink(temporary, dir_fd=folder)
            os.fsync(folder)
    finally:
        os.close(folder)


def remove(path: Path) -> None:
    """Take a file away, for good.  Raises Refused."""
    with _refusing(str(path)):
        folder = _folder(_real(path.parent, str(path)))
        try:
            with suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _refusing(shown: str) -> Iterator[None]:
    try:
        yield
    except OSError as why:
        raise Refused(f"{shown}: cannot be written ({why.strerror}); nothing was changed.") from None


@contextmanager
def _written(folder: int, name: str, content: Iterable[bytes], shown: str) -> Iterator[tuple[str, int]]:
    """A new file beside the old one, with the content on disk; it is gone at the end if it was not used.

    Its name and its descriptor: whose folder it is can put another file at that name at any time.
    """
    _sweep(folder, name)
    temporary = f".{name}{_MARK}{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with _refusing(shown):
            new = os.open(temporary, flags, 0o600, dir_fd=folder)
        try:
            with _refusing(shown):
                with os.fdopen(new, "wb", _CHUNK, closefd=False) as file:
                    file.writelines(lines.bounded(content))
                os.fsync(new)
            yield temporary, new
        finally:
            os.close(new)
    finally:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)


def _check(folder: int, name: str, file: int, shown: str) -> None:
    """Raises Refused where that name is not that file's any more."""
    with suppress(FileNotFoundError):
        there, ours = os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(file)
        if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
            return
    raise Refused(f"{shown}: the new file was exchanged by someone else meanwhile; nothing was changed.")


def sweep(path: Path) -> None:
    """Remove what a killed mailauth left beside a file; to be called when no other can be at work on it."""
    with suppress(OSError, Refused):
        real = _real(path, str(path))
        folder = _folder(real.parent)
        try:
            _sweep(folder, real.name)
        finally:
            os.close(folder)


def _sweep(folder: int, name: str) -> None:
    with suppress(OSError):
        for left in os.listdir(folder):
            if left.startswith(f".{name}{_MARK}"):
                os.unlink(left, dir_fd=folder)


def _dress(place: Place, new: int) -> None:
    """Give the new file all that the old one has but its content."""
    old = _open(place.folder, place.name, os.O_RDONLY, place.shown)
    try:
        _own(new, place.status)
        for name in _attributes(old):
            value = os.getxattr(old, name)
            if name not in _attributes(new) or os.getxattr(new, name) != value:
                os.setxattr(new, name, value)
        # Dovecot takes a passwd-file of the same size and second for the same file
        # (2.3.19.1 and 2.4.1, src/auth/db-passwd-file.c).
        now = time.time_ns()
        later = max(now, (int(place.status.st_mtime) + 1) * 1_000_000_000)
        os.utime(new, ns=(now, later))
        os.fsync(new)
    finally:
        os.close(old)


def _attributes(file: int) -> list[str]:
    try:
        return os.listxattr(file)
    except OSError:  # a file system without them
        return []


def _own(file: int, like: os.stat_result) -> None:
    """The owner first: a change of owner may take bits of the mode away."""
    mine = os.fstat(file)
    if (mine.st_uid, mine.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(file, like.st_uid, like.st_gid)
    os.fchmod(file, stat.S_IMODE(like.st_mode))


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@contextmanager
def locked(place: Place) -> Iterator[Place]:
    """Keep others out who lock as programs do: ``FILE.lock`` beside it, and fcntl() on the file itself.

    Yields the file as it is once it is ours.  The lock file holds "pid:host" as Dovecot's own do
    (2.3.19.1 src/lib/file-dotlock.c), and is locked itself, so that one which a killed mailauth left
    behind keeps nobody out.
    """
    deadline = time.monotonic() + _WAIT
    with _dotlock(place, deadline):
        file = _hold(place, deadline)
        try:
            yield dataclasses.replace(place, status=os.fstat(file))
        finally:
            os.close(file)


def _hold(place: Place, deadline: float) -> int:
    """The file, open and locked; not one that was replaced while we waited."""
    whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    while True:
        with _refusing(place.shown):
            file = _open(place.folder, place.name, os.O_RDWR, place.shown)
        try:
            if os.fstat(file).st_uid != place.status.st_uid:
                raise Refused(f"{place.shown}: belongs to another user by now; nothing was changed.")
            # Of this open file, not of this process: it outlives other descriptors of the same file.
            ours = _lock(lambda file=file: fcntl.fcntl(file, fcntl.F_OFD_SETLK, whole))  # type: ignore[misc]
            there = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
            if ours and _identity(there) == _identity(os.fstat(file)):
                taken, file = file, -1
                return taken
        except OSError as why:
            raise Refused(f"{place.shown}: cannot be locked ({why.strerror}).") from None
        finally:
            if file >= 0:
                os.close(file)
        _wait(place, deadline, place.shown)


@contextmanager
def _dotlock(place: Place, deadline: float) -> Iterator[None]:
    name = f"{place.name}.lock"
    with _refusing(place.shown):
        while (lock := _take(place.folder, name)) is None:
            _wait(place, deadline, f"{place.shown}.lock")
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(name, dir_fd=place.folder)
        os.close(lock)


def _take(folder: int, name: str) -> int | None:
    """The lock file, ours now; None while it is another's."""
    ours = lock_owner.ours(os.getpid())
    with suppress(FileExistsError):
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, ours)
        return lock
    try:
        lock = _open(folder, name, os.O_RDWR, name)
    except (FileNotFoundError, Refused):
        return None  # what is no file is nobody's lock, and is not ours to take away
    try:
        free = _lock(lambda: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB))
        age = time.time() - os.fstat(lock).st_mtime
        if free and lock_owner.left_behind(os.pread(lock, 300, 0).decode("utf-8", "replace"), age):
            there = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if (there.st_dev, there.st_ino) == (os.fstat(lock).st_dev, os.fstat(lock).st_ino):
                os.ftruncate(lock, 0)
                os.pwrite(lock, ours, 0)
                taken, lock = lock, -1
                return taken
    except FileNotFoundError:
        return None
    finally:
        if lock >= 0:
            os.close(lock)
    return None


def _lock(take: Callable[[], object]) -> bool:
    with suppress(BlockingIOError, PermissionError):  # fcntl() may say EACCES for EAGAIN
        take()
        return True
    return False


def _wait(place: Place, deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise Refused(
            f"{what} has been held by another program for {_WAIT:.0f} s; {place.shown} was not changed."
        )
    time.sleep(0.02)
