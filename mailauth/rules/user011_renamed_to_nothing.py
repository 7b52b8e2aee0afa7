"""The passdb changes the user's name to an empty one.

What you see
    The right password fails.  The log says "username attempted to be changed to empty".
Why
    The query or the entry returns a field named user, which is the name that the session goes on with,
    and it is empty: a column that has '' where there should be a name or NULL.
How we know
    The field came with the entry.
What to do
    Fill that column, or return NULL: then the name stays as it was.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule(
    "USER011", "The passdb changes the user's name to an empty one", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY
)
def renamed_to_nothing(lookups: LookedUp) -> Problem | None:
    answer = next((a for a in lookups.answers if a.field("user") == "" and not a.deny), None)
    if answer is None or not lookups.right or lookups.right.lets_in:
        return None
    return Problem(
        says=f"{answer.passdb}, {answer.place}: the field user is empty.",
        because=(lookups,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Fill the column that the query returns as user, or return NULL."),
    )
