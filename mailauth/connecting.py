"""Connect by a name: what can be none ("ldap..example.org") has no address, which is no bug of ours."""

import socket


def places(host: str, port: int) -> list[tuple[int, int, int, tuple[object, ...]]]:
    """Family, kind, protocol and address of each place.  Raises OSError alone, as ``connect``."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise _none() from None
    return [(family, kind, protocol, place) for family, kind, protocol, _, place in found]


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """Raises OSError alone; Python has a UnicodeError for a label that is empty or has over 63 letters."""
    try:
        return socket.create_connection((host, port), timeout=seconds)
    except UnicodeError:
        raise _none() from None


def _none() -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, "Name or service not known")
