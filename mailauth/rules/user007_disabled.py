"""The password query leaves the user out by a condition: disabled.

What you see
    Every password fails.  The log says "unknown user", and the row is there.
Why
    The query has a condition beside the name, such as active = '1' or an expiry date, and the user's
    row does not meet it: a panel disabled the mailbox, or the condition is mistaken.
How we know
    The query finds nobody; without that condition it finds the row.
What to do
    Enable the user again where it was disabled, or correct the condition.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("USER007", "The password query leaves the user out: disabled", Severity.BLOCKS_LOGIN)
def disabled(name: UserName, lookups: LookedUp) -> Problem | None:
    if name.refused or name.requested or not lookups.unknown or not lookups.disabled:
        return None
    if lookups.near or lookups.comparing:
        return None
    one = lookups.disabled[0]
    conditions = " AND ".join(one.conditions)
    return Problem(
        says=(f"{one.passdb} has a row of {name.looked_up!r} that does not meet: {conditions}."),
        because=(name, lookups),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary="Enable the user where it was disabled, or correct the condition.",
            careful="Users are disabled on purpose, too.",
        ),
    )
