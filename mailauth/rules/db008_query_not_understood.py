"""The database does not understand the password query.

What you see
    Every login fails with a temporary error.  The log says "Password query failed" and "syntax
    error", or that a function or operator does not exist.
Why
    The query is not valid in this database: a typing error, a quote too many, or the dialect of
    another database.
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Try the query at the database's prompt with a name put in, and correct it.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule("DB008", "The database does not understand the password query", Severity.BLOCKS_LOGIN)
def query_not_understood(lookups: LookedUp) -> Problem | None:
    advice = "Correct the password query (<place>); try it at the database's prompt first."
    return database_case.problem(lookups, advice, Failing.SYNTAX)
