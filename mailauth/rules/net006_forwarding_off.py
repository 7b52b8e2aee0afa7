"""The machine has a route to the server's address, but does not forward packets to it.

What you see
    Clients time out, while a login from the machine itself works.  Dovecot logs nothing.
Why
    A dedicated address is routed to this machine as a /32 or /128, and on through a tap or veth device
    to the container or virtual machine that Dovecot is in.  The kernel passes on what is not its own
    only with net.ipv4.ip_forward=1, or net.ipv6.conf.all.forwarding=1; both are off until set, and are
    lost by a restart when they were set by hand.
How we know
    The route is for this address alone and goes through a virtual device; the kernel's settings are read,
    those of the interfaces, too.
What to do
    Switch forwarding on, now with sysctl and permanently in /etc/sysctl.d.
"""

from mailauth.evidence import Approach, Reachable
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import remedy

# What a container or a virtual machine is behind.  Source: ip-link(8); a tap is of the kind "tun".
_VIRTUAL = frozenset({"veth", "tun", "bridge", "netkit", "ipvlan", "macvlan", "macvtap", "ipvtap"})


@rule(
    "NET006",
    "The machine does not forward to the address that it carries",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def forwarding_off(reachable: Reachable) -> Problem | None:
    stuck = [one for one in reachable.approaches if _stuck(one)]
    if not stuck:
        return None
    settings = tuple(dict.fromkeys(one.held_by for one in stuck))
    return Problem(
        says="; ".join(
            f"{one.address} is behind {one.device} ({one.kind}), and {one.held_by} is 0" for one in stuck
        )
        + ": what comes from elsewhere is dropped.",
        because=(reachable,),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Switch forwarding on, and write the same into /etc/sysctl.d, so that it stays.",
            commands=tuple(("sysctl", "-w", "--", f"{name}=1") for name in settings),
            careful="The machine then forwards for all its interfaces, as far as its packet filter lets it.",
        ),
    )


def _stuck(one: Approach) -> bool:
    return bool(one.held_by) and one.routed and not one.local and one.kind in _VIRTUAL
