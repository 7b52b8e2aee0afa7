"""Dovecot listens there, but connections to it are blocked.

What you see
    The client times out, or is refused at once, while Dovecot runs and listens.  Dovecot logs nothing.
Why
    A packet filter drops or rejects packets to the port: nftables, iptables or firewalld on
    the machine, or on the one that carries its address.
How we know
    The kernel of Dovecot's network has a socket that listens on the very address and port, and a
    connection from here does not arrive.  What comes from the same machine passes few filters: where
    Dovecot is in a container or another namespace, this sees what is between; a filter farther away is
    seen only from there.
What to do
    Open the port: nft list ruleset, or iptables-save, shows the rule that blocks it.
"""

from mailauth.evidence import Approach, Listening, Reachable
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule

_SILENCE = "does not answer"  # a login service with no process free would be silent, too


@rule(
    "NET009",
    "Connections to the port where Dovecot listens are blocked",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def not_let_through(listening: Listening, reachable: Reachable) -> Problem | None:
    for one in reachable.approaches:
        for port, answer in one.answers if one.here and one.device else ():
            if answer != "connected" and _listens(listening, one, port):
                return Problem(
                    says=f"Dovecot listens on {one.address} port {port}; a connection from here: {answer}.",
                    because=(listening, reachable),
                    certainty=Certainty.LIKELY if answer.startswith(_SILENCE) else Certainty.PROVEN,
                    remedy=Remedy(
                        summary=f"Let TCP port {port} through: nft list ruleset shows what stops it.",
                    ),
                )
    return None


def _listens(listening: Listening, one: Approach, port: int) -> bool:
    return any(each.port == port and each.takes(one.address) for each in listening.open)
