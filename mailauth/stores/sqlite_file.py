"""Look into a SQLite file beside SQLite itself, which may have it open and locked in this process.

A process that closes any descriptor of a file gives away all its locks on that file, SQLite's too.  Others
then take a change that is being written for one that broke off, and take it back if they may write.
Source: fcntl(2), "Advisory record locking"; https://www.sqlite.org/howtocorrupt.html, 2.2.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mailauth.dovecot import inroot
from mailauth.stores import passwd_file

FDS = Path("/proc/self/fd")
_HEAD = 105  # bytes: as far as the number of entries in the first page
_MOST = 256  # files
# By device and inode: what a file is read by, which stays open.  Two where two threads came at once.
_kept: dict[tuple[int, int], list[int]] = {}


@contextmanager
def looked_at(path: Path) -> Iterator[tuple[int, bytes]]:
    """A descriptor of the file, not to be read by, and its first bytes.

    Root follows no link of a user's.  No pipe is waited for.  A file of another root is closed afterwards.
    Raises OSError, also where it is no regular file.
    """
    if inroot.process_of(path) is not None or not FDS.is_dir():
        with passwd_file.opened(path) as file:
            yield file.fileno(), file.read(_HEAD)
    elif os.geteuid() == 0:
        with passwd_file.held(path, os.O_PATH) as named:
            yield named, _head(named)
    else:
        with _named(path) as named:
            yield named, _head(named)


@contextmanager
def _named(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield file
    finally:
        os.close(file)


def _head(named: int) -> bytes:
    """Closing a descriptor that only names a file (O_PATH) gives no lock away: open(2)."""
    for one in list(_kept):
        _let_go_if_gone(one)
    one = _identity(named)
    if one not in _kept and len(_kept) >= _MOST:
        _let_go(next(iter(_kept)))
    files = _kept.setdefault(one, [])
    if not files:
        files.append(os.open(FDS / str(named), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    return os.pread(files[0], _HEAD, 0)


def _identity(file: int) -> tuple[int, int]:
    state = os.fstat(file)
    return state.st_dev, state.st_ino


def _let_go_if_gone(one: tuple[int, int]) -> None:
    """Deleted: nobody else asks for its locks.  Or the number is another file's: a child has closed ours."""
    files = _kept.get(one) or ()
    with suppress(OSError):
        if files and _identity(files[0]) == one:
            if not os.fstat(files[0]).st_nlink:
                _let_go(one)
            return
    _kept.pop(one, None)


def _let_go(one: tuple[int, int]) -> None:
    for file in _kept.pop(one, ()):
        os.close(file)
