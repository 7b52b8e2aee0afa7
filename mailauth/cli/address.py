"""Addresses and names of hosts, as they are given on the command line."""

from mailauth.errors import UsageError


def address_of(text: str) -> str:
    """An IP address as Dovecot writes it.  Raises UsageError."""
    from ipaddress import ip_address  # noqa: PLC0415 - 5 ms

    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        raise UsageError(f"--from-address {text}: this is not an IP address.") from None


def host_and_port(text: str, option: str = "--host") -> tuple[str, int]:
    """NAME, NAME:PORT, an IPv6 address, or one in brackets with a port.  Raises UsageError."""
    if text.count(":") > 1 and not text.startswith("["):
        return text, 0
    name, colon, port = text.rpartition(":") if "]" not in text[-1:] else (text, "", "")
    if not colon:
        name, port = text, "0"
    if not port.isdecimal() or not int(port) < 65536 or (text and not name):
        raise UsageError(f"{option} {text}: this is not a name or an address, and perhaps a port.")
    return name.removeprefix("[").removesuffix("]"), int(port)
