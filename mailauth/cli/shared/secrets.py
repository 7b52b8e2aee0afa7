"""Read a password, a stored hash or a URL from the terminal, a descriptor or standard input.

Never from argv or the environment, which others see.
"""

import os
import sys

import click

from mailauth.cli.shared.files import awaited
from mailauth.errors import UsageError
from mailauth.hashes import Password

_MAX = 64 * 1024  # bytes; Dovecot takes less in one SASL response


def read_password(
    *, ask: bool, descriptor: int | None, stdin: bool, prompt: str = "Password"
) -> Password | None:
    """The password, or None when none of the three was asked for.

    From a descriptor or standard input: all up to the first line end.  Raises UsageError.
    """
    if sum((ask, descriptor is not None, stdin)) > 1:
        raise UsageError("give the password in one way only: -p, --password-fd or --password-stdin.")
    if ask:
        need_terminal()
        return Password.of(click.prompt(prompt, hide_input=True, err=True))
    if descriptor is not None:
        return Password(read_line(descriptor, f"--password-fd {descriptor}"))
    if stdin:
        return Password(read_line(sys.stdin.fileno(), "--password-stdin"))
    return None


def need_terminal() -> None:
    """Raises UsageError where a prompt would wait for nobody, or echo what is typed."""
    if not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask for the password: give it by a descriptor or standard input."
        )


def read_line(descriptor: int, what: str) -> bytes:
    """All up to the first line end.  Raises UsageError where there is nothing, or too much."""
    taken = b""
    awaited(descriptor, f"one line for {what}", "Enter")
    try:
        while b"\n" not in taken and len(taken) <= _MAX and (more := os.read(descriptor, 4096)):
            taken += more
    except OSError as why:
        raise UsageError(f"{what}: cannot be read ({why.strerror}).") from None
    line = taken.partition(b"\n")[0].removesuffix(b"\r")
    if len(line) > _MAX:
        raise UsageError(f"{what}: a line of more than {_MAX} bytes is not read.")
    if not taken:
        raise UsageError(f"{what}: nothing was there to read; write one line to it.")
    return line
