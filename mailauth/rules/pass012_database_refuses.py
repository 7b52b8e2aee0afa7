"""The database compares the password, and says no.

What you see
    The login fails.  The log says "unknown user", and the row is there.
Why
    The password query has the password in it (%w; 2.4: %{password}), so that it finds the row for the right
    password only.  Another password, or a comparison that does not do what was meant, and no row comes.
How we know
    With the password that was given the query finds nobody; without that comparison it finds the row.
What to do
    Use the right password, or set it again as the comparison expects it.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule("PASS012", "The database says that the password is wrong", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def database_refuses(name: UserName, lookups: LookedUp) -> Problem | None:
    if name.refused or name.requested or not lookups.unknown or not lookups.comparing:
        return None
    one = lookups.comparing[0]
    return Problem(
        says=f"{one.passdb} has a row of {name.looked_up!r}, and its query leaves that row out for the"
        f" password that was given: {' AND '.join(one.conditions)}.",
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Use the right password, or set it again as the query compares it."),
    )
