"""The password query has a row for some clients, and none for others.

What you see
    The user logs in from one place, or by one way, and not from another, where the log says "unknown user".
Why
    The query has a condition on the client: its address, the port, whether there is TLS.  A panel uses that
    to allow webmail only, or TLS only; it can also be mistaken.
How we know
    The query was asked with each value that the client's variables can have on this server.
What to do
    Nothing, if that is intended.  Otherwise correct the condition, or the user's row.
"""

from mailauth.evidence import LookedUp, UserName
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.store import Outcome


@rule("USER015", "The password query has no row for some clients", Severity.NOTE)
def some_clients(name: UserName, lookups: LookedUp) -> Problem | None:
    told = [
        f"{answer.passdb} has no row of {answer.user or name.looked_up!r} for a client with {one.client};"
        f" it has one with {one.instead}"
        for answer in lookups.answers
        for one in answer.otherwise
        if one.outcome is Outcome.UNKNOWN_USER
    ]
    if name.refused or not told:
        return None
    return Problem(
        says=". ".join(told) + ".",
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="If that is not intended, correct the condition on the client or the user's row."
        ),
    )
