"""Files that the command line names."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

import click

from mailauth import handed
from mailauth.errors import UsageError


def awaited(descriptor: int, what: str, ends: str = "Enter and Ctrl-D") -> None:
    """Say what is read, and how it ends, where it comes from a terminal: a person waits there, too."""
    try:
        typed = os.isatty(descriptor)
    except (OSError, OverflowError):  # whoever reads it says so
        return
    if typed:
        click.echo(f"mailauth: type or paste {what}, then {ends}.", err=True)


@contextlib.contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Standard input for "-".  Raises UsageError where it cannot be opened."""
    if name == "-":
        awaited(sys.stdin.fileno(), "the lines")
        yield sys.stdin.buffer
        return
    try:
        file = handed.opened(name)
    except OSError as why:
        raise UsageError(f"{name}: cannot be read ({why.strerror}).") from None
    with file:
        yield file
