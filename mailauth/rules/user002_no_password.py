"""The user is there, but has no password.

What you see
    Every password fails.  The log says "No password returned (and no nopassword)".
Why
    The password query returns NULL for this user.
How we know
    Each passdb was asked, in Dovecot's order, with Dovecot's own query.
What to do
    Set a password.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.remedies import HASH_NEW, remedy
from mailauth.stores.store import Outcome


@rule("USER002", "The user has no password (NULL)", Severity.BLOCKS_LOGIN)
def no_password(name: UserName, lookups: LookedUp) -> Problem | None:
    outcomes = {answer.outcome for answer in lookups.answers}
    if name.refused or Outcome.NO_PASSWORD not in outcomes or Outcome.FOUND in outcomes:
        return None
    if any(answer.field("nopassword") is not None for answer in lookups.answers):
        return None  # none is wanted
    return Problem(
        says=f"The row of {name.looked_up!r} is there, and its password is NULL.",
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=remedy(summary="Set a password for the user.", commands=(HASH_NEW,)),
    )
