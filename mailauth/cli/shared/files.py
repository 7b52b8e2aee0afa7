"""Files that the command line names."""

import contextlib
import sys
from collections.abc import Iterator
from typing import BinaryIO

from mailauth import handed
from mailauth.errors import UsageError


@contextlib.contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Standard input for "-".  Raises UsageError where it cannot be opened."""
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = handed.opened(name)
    except OSError as why:
        raise UsageError(f"{name}: cannot be read ({why.strerror}).") from None
    with file:
        yield file
