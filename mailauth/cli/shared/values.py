"""Values as they are typed: addresses, durations, sizes, names.  Each is refused in one sentence."""

import re
from datetime import timedelta

import click

from mailauth import digits
from mailauth.dovecot.sizes import parse_size
from mailauth.errors import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_LONGEST = 366 * 86400.0


def sayable(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """A user's name; what is no UTF-8 can be said in no query, no log and no JSON."""
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter(f"{value!r} is not UTF-8; give the name as clients send it.") from None
    return value


def seconds(text: str) -> float:
    """10, 10s, 5m, 6h, 1d, 1w."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)([smhdw]?)", text.strip())
    value = float(found[1]) * _UNITS[found[2]] if found else -1.0
    if not 0 <= value <= _LONGEST:
        raise click.BadParameter(f"{text!r} is not a time; write 10s, 5m, 6h or 1d.")
    return value


def span(text: str, option: str) -> timedelta | None:
    """A number and its unit; None for all.  Raises UsageError."""
    if text == "all":
        return None
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    if not found:
        raise UsageError(f"{option} {text}: give a number and a unit, such as 30m, 24h or 7d, or all.")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def size(text: str) -> int:
    """Bytes, as Dovecot writes them: 16M."""
    try:
        return parse_size(text)
    except UsageError as why:
        raise click.BadParameter(str(why)) from None


def host_and_port(text: str, option: str = "--host") -> tuple[str, int]:
    """NAME, NAME:PORT, an IPv6 address, or one in brackets with a port; 0 where no port was given.

    Raises UsageError.
    """
    if text.count(":") > 1 and not text.startswith("["):
        return text, 0
    name, colon, port = text.rpartition(":") if "]" not in text[-1:] else (text, "", "")
    if not colon:
        name, port = text, "0"
    number = digits.number(port)
    if number is None or not number < 65536 or (text and not name):
        raise UsageError(f"{option} {text}: this is not a name or an address, and perhaps a port.")
    return name.removeprefix("[").removesuffix("]"), number


def listening_address(text: str) -> tuple[str, int]:
    """HOST:PORT, both of them; an IPv6 address in brackets."""
    try:
        host, port = host_and_port(text, "--listen")
    except UsageError:
        host, port = "", 0
    if not host or (not port and not text.endswith(":0")):
        raise click.BadParameter(f"{text!r} is not an address; write HOST:PORT, as 127.0.0.1:9810.")
    return host, port
