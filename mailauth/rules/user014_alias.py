"""The name is an alias: mail to it is forwarded, and it has no password of its own.

What you see
    Every password fails.  The log says "unknown user"; mail to the address arrives.
Why
    An alias or a forwarded address is in a table of its own, which the password query does not ask: there
    is no mailbox and no password behind it.
How we know
    The passdbs do not know the name, and a table of the same database says where its mail goes.
What to do
    Log in with the name of the mailbox that the mail goes to, or make a mailbox of the address.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule("USER014", "The address is an alias, which has no password", Severity.BLOCKS_LOGIN, bears=Bears.ANSWER)
def alias(name: UserName, lookups: LookedUp) -> Problem | None:
    if name.refused or name.requested or not lookups.unknown or not lookups.aliases:
        return None
    if lookups.near or lookups.disabled or lookups.comparing:
        return None
    one = lookups.aliases[0]
    return Problem(
        says=f"Mail to {name.looked_up!r} is forwarded to {one.name!r} ({one.place} of the database of"
        f" {one.passdb}): the address has no mailbox, and no password.",
        because=(name, lookups),
        certainty=Certainty.LIKELY,
        remedy=Remedy(summary=f"Log in as {one.name}, or make a mailbox of {name.looked_up}."),
    )
