"""The database that Dovecot is set to use does not exist.

What you see
    Every login fails with a temporary error.  The log says "Unknown database", "database does not
    exist", or for SQLite "no such table".
Why
    The name in the settings is not that of a database on this server.  SQLite makes an empty file of
    any name that is not there, so a wrong path is a database without tables.
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Correct dbname, or for SQLite the path; remove the empty file that was made by accident.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB006",
    "The database that Dovecot is set to use does not exist",
    Severity.BLOCKS_LOGIN,
    bears=Bears.CONNECTION,
    watch="server",
)
def wrong_database(lookups: LookedUp) -> Problem | None:
    advice = "Correct the database's name or path in <place>."
    return database_case.problem(lookups, advice, Failing.DATABASE, Failing.EMPTY)
