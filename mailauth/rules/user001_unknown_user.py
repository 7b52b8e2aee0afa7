"""No passdb knows the user.

What you see
    Every password fails.  The client is told what it is told for a wrong password; the log says
    "unknown user", at default verbosity nothing.
Why
    The name that is looked up is not in any passdb: it was never added, or it is spelled otherwise.
How we know
    Each passdb was asked, in Dovecot's order, with Dovecot's own query.
What to do
    Add the user, or look up the name that the store has.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("USER001", "No passdb knows the user", Severity.BLOCKS_LOGIN)
def unknown_user(name: UserName, lookups: LookedUp) -> Problem | None:
    if name.refused or name.requested or not lookups.unknown:
        return None
    if lookups.near or lookups.disabled or lookups.elsewhere or lookups.comparing:
        return None
    asked = f"{name.looked_up!r}"
    if name.looked_up != name.given:
        asked += f" (made of {name.given!r} by auth_username_format and its like)"
    return Problem(
        says=f"{asked} is in none of the {len(lookups.answers)} passdbs asked.",
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Add the user to the store, or use the name that the store has."),
    )
