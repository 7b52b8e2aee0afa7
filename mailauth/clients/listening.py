"""Whose process waits at a port of this network: above 1023 any user's may.

Source: proc_net_tcp(5): the address is hexadecimal, state 0A listens, the eighth field is the user.
"""

from contextlib import suppress

_LISTENS = "0A"
RESERVED = 1024
"""Below it only root, or who has root's right to, can listen: ip_unprivileged_port_start."""


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
