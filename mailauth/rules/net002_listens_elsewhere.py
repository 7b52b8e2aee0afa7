"""Dovecot listens, but not on the address or port that the client connects to.

What you see
    The client says "connection refused", while a login on the server itself works.  Dovecot logs nothing.
Why
    listen, or the inet_listener's own address, names other addresses (127.0.0.1 only, or "*", which is
    IPv4 only), or the port is another one.
How we know
    The host's addresses, as a client finds them, are compared with the kernel's table of what listens
    in Dovecot's network.  An address that is not this machine's own, as behind a forwarding router, is
    not judged.
What to do
    Let it listen there: listen = *, :: is every address of both kinds.
"""

from mailauth.evidence import Configured, Listener, Listening, Reachable
from mailauth.evidence.network import Address
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, Part, Setting, block, both, remedy

_EVERYWHERE = "*, ::"


@rule(
    "NET002",
    "Dovecot listens on another address or port than the one asked",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def listens_elsewhere(configured: Configured, listening: Listening, reachable: Reachable) -> Problem | None:
    if not all(listening.opened(protocol) for protocol in listening.asked):
        return None  # NET001
    own = [one.address for one in reachable.approaches if one.here]
    missed = [address for address in own if not _taken(listening, address, reachable.port)]
    if all(address.is_loopback for address in missed) and len(missed) < len(own):
        return None  # "localhost" has two addresses, and one of them is enough
    if not missed:
        return None
    where = ", ".join(str(one) for protocol in listening.asked for one in listening.opened(protocol))
    wanted = ", ".join(str(one) for one in missed)
    port = f" on port {reachable.port}" if reachable.port else ""
    return Problem(
        says=f"{reachable.host} is {wanted}; nothing listens there{port}, only on {where}.",
        because=(listening, reachable, configured),
        certainty=Certainty.PROVEN,
        remedy=_remedy(configured, listening, reachable.port),
    )


def _taken(listening: Listening, address: Address, port: int) -> bool:
    """Whether every protocol asked about is served there; with a port: whether one is, on that port."""
    served = [
        any(one.takes(address) and port in (0, one.port) for one in listening.opened(protocol))
        for protocol in listening.asked
    ]
    return any(served) if port else all(served)


def _remedy(configured: Configured, listening: Listening, port: int) -> Remedy:
    if port and not any(one.port == port for each in listening.asked for one in listening.of(each)):
        one = listening.of(listening.asked[0])[0]
        text = [_block(one, "port", str(port))]
        return remedy(
            f"Let it listen on port {port}, or let the client use port {one.port}.",
            config=both(*text),
            file=configured.file,
            commands=(RELOAD,),
        )
    fixed = [one for each in listening.asked for one in listening.of(each) if one.own]
    old = [Setting("listen", _EVERYWHERE), *(_block(one, "address", _EVERYWHERE) for one in fixed)]
    new = [Setting("listen", _EVERYWHERE), *(_block(one, "listen", _EVERYWHERE) for one in fixed)]
    return remedy(
        "Let it listen on every address, or on this one, too.",
        config={"2.3": old, "2.4": new},
        file=configured.file,
        commands=(RELOAD,),
        careful="Whoever reaches the machine then reaches Dovecot; a packet filter can restrict that.",
    )


def _block(one: Listener, name: str, value: str) -> Part:
    return block("service", one.service, block("inet_listener", one.name, Setting(name, value)))
