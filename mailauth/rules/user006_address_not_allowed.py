"""The entry allows logins from other addresses only (allow_nets).

What you see
    The right password fails from here, and may work from elsewhere.  The log says "allow_nets check
    failed".  The client gets the same answer as for a wrong password.
Why
    The field allow_nets lists networks, and the client's address is in none of them; or what is listed
    is no network at all, which Dovecot passes over.  "local" means a client without an address.
    Behind a proxy the address can be the proxy's.
How we know
    The address given with --from-address was compared with the field as Dovecot does; without it the one
    from where the log has the user's last login that worked, or else was refused for its address.
What to do
    Add the client's network to the field, or remove the field.
"""

from mailauth.evidence import ClientAddress, LookedUp
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule(
    "USER006",
    "The entry allows logins from other addresses only (allow_nets)",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def address_not_allowed(lookups: LookedUp, client: ClientAddress) -> Problem | None:
    if client.allowed or not lookups.right or lookups.right.lets_in:
        return None
    who = f"{client.address} is not among" if client.address else "no address can be among"
    if client.logged:
        who = f"{client.address}, from where the log has the last login, is not among"
    return Problem(
        says=f"{client.passdb}, {client.source}: {who} the networks of allow_nets: {client.nets!r}.",
        because=(lookups, client),
        certainty=Certainty.LIKELY if client.logged else Certainty.PROVEN,
        remedy=Remedy(
            summary="Add the client's network to allow_nets, or remove the field.",
            careful="allow_nets may be there for a reason; ask who set it.",
        ),
    )
