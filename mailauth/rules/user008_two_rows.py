"""The password query returns two rows for the user.

What you see
    The login fails with a temporary error.  The log says "Password query returned multiple matches".
Why
    Dovecot takes no answer that is not exactly one row: the user is there twice, or a join doubles it.
How we know
    The password query was sent to the database, and two rows came.
What to do
    Remove the extra row, and make the table refuse it: UNIQUE.  Or correct the join.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.store import Failing


@rule("USER008", "The password query returns two rows", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def two_rows(name: UserName, lookups: LookedUp) -> Problem | None:
    failed = lookups.failures(Failing.ROWS)
    if not failed:
        return None
    answer, failure = failed[0]
    return Problem(
        says=f"{answer.passdb}, {failure.place}: more than one row comes for {name.looked_up!r}.",
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Remove the extra row, or correct the join that doubles it."),
    )
