"""What ``mailauth check`` takes from the command line.  Each raises what Click says in one sentence."""

import re
from pathlib import Path

import click

from mailauth.errors import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 366 * 86400.0


def seconds(text: str) -> float:
    """10, 10s, 5m, 6h, 1d."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    value = float(found[1]) * _UNITS[found[2]] if found else -1.0
    if not 0 <= value <= _LONGEST:
        raise click.BadParameter(f"{text!r} is not a time; write 10s, 5m, 6h or 1d.")
    return value


def size(text: str) -> int:
    """As Dovecot writes it: 16M."""
    from mailauth.dovecot.sizes import parse_size  # noqa: PLC0415 - --help needs none of it

    try:
        return parse_size(text)
    except UsageError as why:
        raise click.BadParameter(str(why)) from None


def address(text: str) -> tuple[str, int]:
    """HOST:PORT; an IPv6 address in brackets."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is not an address; write HOST:PORT, as 127.0.0.1:9810.")
    return host, int(port)


def textfile_place(path: Path | None) -> None:
    """Raises UsageError where node_exporter would not read it."""
    if path is not None and path.suffix != ".prom":
        raise UsageError(f"--textfile {path}: node_exporter reads files that end in .prom only.")
