"""A deny passdb has the user.

What you see
    Every password fails, the right one, too.  The log says "User found from deny passdb".
Why
    A passdb with deny = yes refuses everyone who is in it, and no other passdb is asked.  Its file or
    table is often forgotten.
How we know
    The passdbs were asked in Dovecot's order; this one has the user.
What to do
    Take the user out of that file or table.
"""

from mailauth.evidence import LookedUp, Said, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule("USER009", "A deny passdb has the user", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def denied(name: UserName, lookups: LookedUp) -> Problem | None:
    if not lookups.right or lookups.right.said is not Said.DENIED:
        return None
    answer = next((a for a in lookups.answers if a.number == lookups.right.decided_by), None)
    if answer is None or not answer.deny:
        return None
    return Problem(
        says=f"{answer.passdb} has deny = yes, and {answer.user!r} is in it ({answer.place}).",
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=f"Take {answer.user!r} out of it: {answer.place}.",
            careful="Someone put the user there; ask why first.",
        ),
    )
