"""A query names a column that does not exist.

What you see
    Every login fails with a temporary error.  The log says "Password query failed" and the server's
    words: unknown column, column does not exist.
Why
    The column was renamed, as upgrades of mail panels do, or the query has its name misspelled.  A variable
    that is not in quotes, or in those of a name, makes a column's name of the user's.
How we know
    The query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Correct the query; its columns are named at the database's prompt by
    DESCRIBE, information_schema or .schema.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB004",
    "A query names a column that does not exist",
    Severity.BLOCKS_LOGIN,
    bears=Bears.DATABASE,
    watch="server",
)
def no_such_column(lookups: LookedUp) -> Problem | None:
    advice = "Correct the column's name in the password query (<place>)."
    if any(
        failure.missing and failure.missing in {answer.user, *answer.user.partition("@")[::2]}
        for answer, failure in lookups.failures(Failing.COLUMN)
    ):
        advice = "Put '...' around the variable in the password query (<place>): without, or in \"...\", the"
        advice += " database takes the user's name for a column's."
    elif any(failure.missing.lower() == "password" for _, failure in lookups.failures(Failing.COLUMN)):
        advice = (
            "In the password query (<place>) select the column that has the hash AS password: by that name"
        )
        advice += " Dovecot takes it from the result."
    return database_case.problem(lookups, advice, Failing.COLUMN)
