"""The database server has no connection left.

What you see
    Logins fail with a temporary error, most when many come at once.  The log says "Too many
    connections" or "sorry, too many clients already".
Why
    Each auth-worker process holds a connection of its own, up to 30 of them, and every other program
    on the server adds its own; together they are more than the server, or its limit for this user, allows.
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Raise max_connections of the server (or the user's own limit), or have fewer workers: process_limit
    of service auth-worker; auth_worker_max_count on 2.3.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule("DB011", "The database server has no connection left", Severity.BLOCKS_LOGIN)
def no_connection_left(lookups: LookedUp) -> Problem | None:
    advice = "Raise the server's max_connections, or have fewer auth-worker processes."
    return database_case.problem(lookups, advice, Failing.CONNECTIONS)
