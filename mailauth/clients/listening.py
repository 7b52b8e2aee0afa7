"""Whose process waits at a port of this network: above 1023 any user's may.

Source: proc_net_tcp(5): the address is hexadecimal, state 0A listens, the eighth field is the user.
"""

import os
from collections.abc import Iterable
from contextlib import suppress

_LISTENS = "0A"
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
