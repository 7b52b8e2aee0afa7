"""Whether a host is this machine by its own name for itself: one answer for all who send secrets there."""

import re
from ipaddress import IPv6Address, ip_address

_PLACE = re.compile(r"(?:\[(?P<six>[^]]*)\]|(?P<name>[^:]*))(?::[0-9]*)?")


def is_here(host: str) -> bool:
    """Of a host as settings and URLs write it, with a port or without: "localhost", "127.0.0.1:389", "[::1]".

    A name other than localhost is not looked up: what it is today need not be what it is tomorrow.
    """
    place = _PLACE.fullmatch(host)
    name = (place["six"] or place["name"] or "") if place else host
    if name.lower() == "localhost":
        return True
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    # Python 3.11 does not see the IPv4 address within ::ffff:127.0.0.1
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
