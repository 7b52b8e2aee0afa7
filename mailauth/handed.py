"""Files that the command line names: a pipe may be one, and is not waited for where nobody writes into it.

One to be written is made, for its owner only: none that is there is overwritten.
"""

import errno
import os
import select
import stat
from pathlib import Path
from typing import BinaryIO

from mailauth import whole
from mailauth.errors import Refused, UsageError

_WAIT = 10.0  # seconds for the first byte of a named pipe
_MOST = 16 * 1024 * 1024  # bytes of a text: settings, rules, a key


def opened(path: Path | str) -> BinaryIO:
    """To be read from its beginning.  Raises OSError.

    A pipe of the shell's, <(...), has somebody who writes, who may take long.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    try:
        _await(file, path)
        os.set_blocking(file.fileno(), True)
    except BaseException:
        file.close()
        raise
    return file


def _await(file: BinaryIO, path: Path | str) -> None:
    named = not str(path).startswith(("/dev/fd/", "/dev/stdin", "/proc/"))
    if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode) and named:
        ready = select.poll()
        ready.register(file.fileno(), select.POLLIN)
        if not ready.poll(_WAIT * 1000):
            raise OSError(errno.ETIMEDOUT, "nobody writes into this pipe", str(path))


def text(path: Path, errors: str = "strict") -> str:
    """All of it, in UTF-8.  Raises OSError, also where it is too large, and UnicodeDecodeError."""
    with opened(path) as file:
        return whole.read(file, _MOST, path).decode("utf-8", errors)


def made(path: Path) -> int:
    """The descriptor of a new file, mode 0600, to be written.

    Raises UsageError where there is one already, Refused where it cannot be made.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"{path}: is there already; name a file that is not.") from None
    except OSError as why:
        raise Refused(f"{path}: cannot be written ({why.strerror}).") from None


def going_on(path: Path) -> int:
    """The descriptor of a regular file that is added to, made where there is none.  Raises OSError.

    No link is followed: in a folder of another user's it leads to a file of that user's choice.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags, 0o600)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))
