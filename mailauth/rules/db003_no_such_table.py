"""A query names a table that does not exist.

What you see
    Every login fails with a temporary error.  The log says "Password query failed" and the server's
    words: no such table, relation does not exist.
Why
    The table was renamed or never made, it is in another database or schema, or the query has its name
    misspelled (PostgreSQL: unquoted names are lower case; MariaDB on Linux: case matters).
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Correct the query, or make the table.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB003",
    "A query names a table that does not exist",
    Severity.BLOCKS_LOGIN,
    bears=Bears.DATABASE,
    watch="server",
)
def no_such_table(lookups: LookedUp) -> Problem | None:
    advice = "Correct the table's name in the password query (<place>), or make the table."
    return database_case.problem(lookups, advice, Failing.TABLE)
