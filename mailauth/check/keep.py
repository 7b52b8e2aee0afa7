"""What one run leaves for the next: small JSON files in a folder that is only ours, each replaced whole."""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from mailauth import private
from mailauth.errors import CannotObserve
from mailauth.private import NotOurs

_T = TypeVar("_T")
# Not ours, or no place at all.  A full or a broken disk is the server's fault.
_NO_PLACE = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def folder() -> Path:
    """Where it is kept unless another place is named."""
    return private.state("check")


def place_of(state: Path, *names: str) -> Path:
    """One Dovecot's own part of the folder; made if need be.  Raises CannotObserve."""
    which = hashlib.sha256("\0".join(names).encode()).hexdigest()[:12]
    path = state / which
    try:
        if state == folder() and not path.exists():
            _make_room(state)
        private.make(path)
        for one in (path, *([state] if state == folder() else [])):
            private.close(one)
        with tempfile.TemporaryFile(dir=path):
            pass
    except NotOurs as why:
        raise CannotObserve(f"{why} Name a folder of yours with --state.", needs_option=True) from None
    except OSError as why:
        raise _unkept(path, why) from None
    return path


_MOST_KEPT = 64  # Dovecots whose state is kept; of a lab's, or of one that is gone, it is of no use


def _make_room(state: Path) -> None:
    """Take away what was not written for longest, where there are too many: one more is to come."""
    with suppress(OSError, NotOurs):
        private.check(state)
        found = [one for one in state.iterdir() if _NAME.fullmatch(one.name) and not one.is_symlink()]
        found.sort(key=lambda one: one.stat().st_mtime)
        for one in found[: max(0, len(found) - _MOST_KEPT + 1)]:
            shutil.rmtree(one, ignore_errors=True)


_NAME = re.compile(r"[0-9a-f]{12}")


def load(path: Path, kind: type[_T]) -> _T | None:
    """What was kept; None where nothing was, or what is there cannot be understood."""
    with suppress(OSError, NotOurs, msgspec.MsgspecError):
        return msgspec.json.decode(private.read(path), type=kind)
    return None


def save(path: Path, value: object) -> None:
    """Raises CannotObserve."""
    try:
        replace_whole(path, msgspec.json.encode(value), 0o600)
    except OSError as why:
        raise _unkept(path, why) from None


def replace_whole(path: Path, data: bytes, mode: int) -> None:
    """Readers see the old file or the new one, never a part.  Raises OSError."""
    descriptor, half = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)  # noqa: PTH105 - both are names
    except BaseException:
        with suppress(OSError):
            os.unlink(half)  # noqa: PTH108
        raise


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One at a time, among all runs; the lock goes with its holder.  Raises CannotObserve."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as why:
        raise _unkept(path, why) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _unkept(path: Path, why: OSError) -> CannotObserve:
    says = f"{path}: what the next run needs cannot be kept there ({why.strerror})"
    if why.errno in _NO_PLACE:
        return CannotObserve(f"{says}; name a folder of yours with --state.", needs_option=True)
    return CannotObserve(f"{says}.")
