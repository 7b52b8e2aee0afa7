"""The database refuses the password query.

What you see
    Every login fails with a temporary error.  The log says "Password query failed" and the server's
    reason.  Of an error that MariaDB finds only when it makes the rows (a subquery that returns several),
    Dovecot says "unknown user".
Why
    The query is not valid in this database: a typing error, a quote too many, the dialect of another
    database, an ambiguous column, collations or types that do not go together, a view whose DEFINER is
    gone.  What the server quotes is shown where the configured query has it: it can be a secret.
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Try the query at the database's prompt with a name put in, and correct it.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB008",
    "The database refuses the password query",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF024",),
    bears=Bears.DATABASE,
    watch="server",
)
def query_not_understood(lookups: LookedUp) -> Problem | None:
    advice = "Correct the password query (<place>), or what it reads; try it at the database's prompt."
    return database_case.problem(lookups, advice, Failing.SYNTAX, Failing.VARIABLE)
