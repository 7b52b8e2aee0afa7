"""Lines of what others write: of one that is very long only the beginning is kept, whatever its length.

Who may write a line into a log or a file may write one of a gigabyte, or pack it into a few kilobytes.
"""

import errno
import math
import os
import time
from collections.abc import Iterable, Iterator
from typing import IO

MOST = 1024 * 1024  # bytes of a line that are kept
_CHUNK = 1024 * 1024


class OutOfTime(Exception):  # noqa: N818 - it was said how long
    """A line goes on for longer than may be waited for."""


def sized(file: IO[bytes], most: int = MOST, until: float = math.inf) -> Iterator[tuple[bytes, int]]:
    """Each line, and its length; what is kept is shorter where that is more than ``most``.

    Raises OutOfTime where a line still goes on at ``until``, by time.monotonic(), and what the file raises.
    """
    read = file.readline
    while line := read(most):
        size = len(line)
        if size == most and not line.endswith(b"\n"):
            size += _rest(file, until)
        yield line, size


def _rest(file: IO[bytes], until: float) -> int:
    """Read past the end of the line; how many bytes that were."""
    size = 0
    while more := file.readline(_CHUNK):
        size += len(more)
        if more.endswith(b"\n"):
            break
        if time.monotonic() > until:
            raise OutOfTime
    return size


LARGEST = 4 * 1024 * 1024 * 1024  # bytes of a file of lines that is read from end to end, or copied


def fit(size: int) -> None:
    """Raises OSError for a file that is too large: whoever owns it can make it larger than the disk."""
    if size > LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def bounded(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same parts; the file may grow while it is copied.  Raises OSError."""
    size = 0
    for part in parts:
        size += len(part)
        fit(size)
        yield part
