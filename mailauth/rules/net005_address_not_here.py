"""The server's own address is not on the machine, or no route leads to it.

What you see
    The client says "no route to host", "network is unreachable", or waits until it times out.  If
    listen names the address, Dovecot logs "bind(...) failed: Cannot assign requested address"; it does
    not start, and a reload ends it (measured on 2.3.19.1 and 2.4.1).
Why
    A dedicated address, routed to the machine as a /32 or /128, must be on an interface there or be
    routed on to the one that has it.  It is lost by a restart when it was added by hand, or when
    the container or virtual machine behind a tap or veth device did not take it.
How we know
    An address that listen names: the kernel of Dovecot's network refuses to bind to it.  An address of
    --host: the kernel has no route to it, or a route of its own (/32, /128) leads through a device
    behind which nobody answers for it.
What to do
    Add the address to an interface, or the route to the device behind which it is, and where the
    network is set up at start (systemd-networkd, /etc/network/interfaces), so that it stays.
"""

from mailauth.evidence import Approach, Listening, Reachable
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule

_NOBODY = frozenset({"no route to host", "host is unreachable", "network is unreachable"})


@rule(
    "NET005",
    "The server's address is not on this machine, or no route leads to it",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def address_not_here(listening: Listening, reachable: Reachable) -> Problem | None:
    if listening.strangers:
        return _not_bound(listening)
    lost = [one for one in reachable.approaches if _lost(one)]
    if not lost or any(one.elsewhere for one in reachable.approaches):
        return None
    one = lost[0]
    length = one.address.max_prefixlen
    if not one.device:
        says = f"{reachable.host}: the kernel has no route to {one.address} ({one.failure})."
    else:
        says = f"{one.address}/{length} is routed through {one.device}, and nobody behind it answers for it."
    return Problem(
        says=says,
        because=(reachable, listening),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=f"Add {one.address}/{length} where Dovecot is, and a route to it on this machine.",
        ),
    )


def _not_bound(listening: Listening) -> Problem:
    address = listening.strangers[0]
    fate = (
        "It listens no more" if not listening.runs else "It cannot start with that, and a reload would end it"
    )
    return Problem(
        says=f"listen names {address}, which no interface of Dovecot's network has. {fate}.",
        because=(listening,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=f"Add {address} to an interface (ip address add), or take it out of listen."),
    )


def _lost(one: Approach) -> bool:
    if not one.device:
        return True
    silent = all(answer in _NOBODY for _, answer in one.answers)
    return bool(one.answers) and silent and one.routed and not one.here
