"""Whose process waits at a port of this network: above 1023 any user's may.  Whether it is in this network.

Source: proc_net_tcp(5): the address is hexadecimal, in words of the machine's byte order; state 0A listens,
the eighth field is the user.
"""

import os
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress

_LISTENS = "0A"
_WAIT = 0.5  # seconds: a connection's other end is there before connect() returns, but for a flood
_RESERVED = 1024  # below it only root, or who has root's right to, can listen: ip_unprivileged_port_start


def us() -> frozenset[int]:
    """Whose processes may be told a password: root's, and those of who calls."""
    return frozenset({0, os.geteuid()})


def stranger(port: int, ours: Iterable[int]) -> int | None:
    """A user who listens there and is none of ``ours``: no password is for them.

    To be asked before any password is sent to a port of this machine.
    """
    if port < _RESERVED:
        return None
    return next((one for one in owners(port) if one not in ours), None)


def passed_on(link: socket.socket) -> bool:
    """Whether a connection to this machine ends elsewhere: a packet filter sends it on to another network.

    False where /proc does not say it.
    """
    until = time.monotonic() + _WAIT
    while (here := _has_other_end(link)) is False and time.monotonic() < until:
        time.sleep(0.01)
    return here is False


def _has_other_end(link: socket.socket) -> bool | None:
    own, its = (_written(address[0], address[1]) for address in (link.getsockname(), link.getpeername()))
    ends = {(there, here) for there, here in zip(its, own, strict=True)}
    seen = False
    for name in ("tcp", "tcp6"):
        with suppress(OSError), open(f"/proc/self/net/{name}") as table:  # noqa: PTH123 - in a child of another root
            seen = next(table, None) is not None or seen
            if any((fields[1], fields[2]) in ends for fields in map(str.split, table)):
                return True
    return False if seen else None


def _written(host: str, port: int) -> list[str]:
    """As the tables have it: an IPv4 address may stand in both."""
    if ":" not in host:
        host = f"::ffff:{host}"
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    six = "".join(f"{word:08X}" for word in struct.unpack("=4I", packed))
    return [f"{six}:{port:04X}", f"{six[24:]}:{port:04X}"]


def owners(port: int) -> list[int]:
    """The users of the sockets that listen there; none where /proc does not say it."""
    found = set[int]()
    for name in ("tcp", "tcp6"):
        with suppress(OSError), open(f"/proc/self/net/{name}") as table:  # noqa: PTH123 - in a child of another root
            next(table, None)
            for line in table:
                fields = line.split()
                if fields[3] != _LISTENS:
                    break
                if int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(int(fields[7]))
    return sorted(found)
