"""Rows of the store can match no password, whoever logs in with it.

What you see
    Some users cannot log in.  The log says "Password mismatch".
Why
    Their stored strings are cut off, padded, quoted, named wrongly, or made by software with other
    rules; or they have no {SCHEME}, and the default scheme takes them for something else.
How we know
    Every row is judged by the rules of this Dovecot's version.  A database counts the strings of an
    ordinary form itself; whatever is odd is read and judged one by one.
What to do
    mailauth diagnose USER says what happened to one user's string and what to do.  What can be
    repaired without the password: mailauth migrate plan --mend; the others need a new password.
"""

from mailauth.evidence import Surveys
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Fate
from mailauth.remedies import remedy
from mailauth.rules import store_case
from mailauth.stores.rows import HashClass


@rule(
    "STORE001",
    "Rows of the store can match no password",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ROWS,
    watch="rows",
)
def never_match(surveys: Surveys) -> Problem | None:
    return store_case.damage(
        surveys,
        _never,
        lambda found: remedy(
            summary="Repair what can be repaired, and set the other users' passwords again.",
            commands=store_case.plans(surveys, found, lambda _: "--mend"),
        ),
    )


def _never(one: HashClass) -> bool:
    return one.fate is Fate.NEVER
