"""Where a client on this machine comes in: each listener of Dovecot's, and an address that leads to it."""

from collections.abc import Iterator

from mailauth.dovecot.conf import Block
from mailauth.evidence.network import ANY, Address, Listener, Listening

_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def doors(tree: Block, listening: Listening, protocol: str) -> Iterator[tuple[Listener, str]]:
    """The protocol's listeners that take a client as it is, those with TLS from the first byte on last.

    Where nothing listens the address is the loopback's, which will say so.
    """
    behind = proxied(tree, listening, protocol)
    for listener in sorted(listening.of(protocol), key=lambda one: one.tls):
        if listener not in behind:
            open_ = (one.address for one in listening.open if one.port == listener.port)
            yield listener, next(map(_reached, open_), _LOOPBACK[4])


def proxied(tree: Block, listening: Listening, protocol: str) -> tuple[Listener, ...]:
    """The protocol's listeners that take connections through HAProxy only."""
    named = {
        (block.name, one.name)
        for block in tree.all("service")
        for one in block.all("inet_listener")
        if one.get("haproxy") == "yes"
    }
    return tuple(one for one in listening.of(protocol) if (one.service, one.name) in named)


def _reached(address: Address) -> str:
    return _LOOPBACK[address.version] if address == ANY[address.version] else str(address)
