"""The user is there, but has no password.

What you see
    Every password fails.  The log says "No password returned (and no nopassword)".
Why
    The password query returns NULL for this user: the column is, or an expression that has a column which
    is (CONCAT of a NULL is NULL).
How we know
    Each passdb was asked, in Dovecot's order, with Dovecot's own query.
What to do
    Set a password.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import HASH_NEW, remedy
from mailauth.stores.store import Outcome


@rule("USER002", "The user has no password (NULL)", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def no_password(name: UserName, lookups: LookedUp) -> Problem | None:
    outcomes = {answer.outcome for answer in lookups.answers}
    if name.refused or Outcome.NO_PASSWORD not in outcomes or Outcome.FOUND in outcomes:
        return None
    if any(answer.field("nopassword") is not None for answer in lookups.answers):
        return None  # none is wanted
    says = f"The row of {name.looked_up!r} is there, and its password is NULL."
    mend = remedy(summary="Set a password for the user.", commands=(HASH_NEW,))
    made = next((one.made for one in lookups.answers if one.made), None)
    if made:
        says += f" The query makes it of {made.expression} ({made.place})"
        says += f", where {' and '.join(made.empty)} is NULL." if made.empty else "."
    if made and made.whole:
        what = " and ".join(made.empty)
        summary = f"Set {what} in the user's row, or have the query do without it: {made.whole[0]} is set."
        if not what:
            summary = (
                f"{' and '.join(made.whole)}: set, each by itself. Correct {made.expression}, or what it"
            )
            summary += " asks of the row: it may disable the user."
        mend = Remedy(summary=summary)
    return Problem(says=says, because=(name, lookups), certainty=Certainty.PROVEN, remedy=mend)
