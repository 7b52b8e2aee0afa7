"""Ports of the loopback address for a lab's servers: each is given to one lab only."""

import secrets
import socket
from contextlib import ExitStack, suppress

from mailauth.errors import CannotObserve

HOST = "127.0.0.1"
# Below those that Linux gives to outgoing connections (ip_local_port_range, ip(7)): one of them may
# take such a port before the server does.
_PORTS = range(20_000, 32_768)


class Ports:
    """Ports that nobody listens on, and that no other lab is given before ``close()``.

    A server listens a second and more after its port was chosen, and other labs choose meanwhile.  So each
    port is held by an abstract Unix socket: as a port it belongs to the network namespace (unix(7)), and it
    is gone with this process, however that ends.
    """

    def __init__(self) -> None:
        self._held = ExitStack()

    def take(self) -> int:
        """One more.  Raises CannotObserve when none is free."""
        for port in secrets.SystemRandom().sample(_PORTS, 100):
            with ExitStack() as opened, suppress(OSError):
                holder = opened.enter_context(socket.socket(socket.AF_UNIX))
                holder.bind(b"\0mailauth-port-%d" % port)
                with socket.socket() as probe:
                    probe.bind((HOST, port))
                self._held.push(opened.pop_all())
                return port
        raise CannotObserve(f"{HOST}: no port from {_PORTS.start} to {_PORTS.stop - 1} is free.")

    def close(self) -> None:
        """Let others have them."""
        self._held.close()
