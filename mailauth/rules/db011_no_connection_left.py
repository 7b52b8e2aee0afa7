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
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB011",
    "The database server has no connection left",
    Severity.BLOCKS_LOGIN,
    bears=Bears.CONNECTION,
    watch="server",
)
def no_connection_left(lookups: LookedUp) -> Problem | None:
    advice = "Raise the server's max_connections, or have fewer auth-worker processes."
    for _, failure in lookups.failures(Failing.CONNECTIONS):
        advice = next((own for words, own in _OF_ITS_OWN if words in failure.says), advice)
    return database_case.problem(lookups, advice, Failing.CONNECTIONS)


# A limit that is not the server's, by the server's words, and who can raise it
_OF_ITS_OWN = (
    (
        "connections for role",
        "Raise the role's own limit: ALTER ROLE ... CONNECTION LIMIT -1 means no limit.",
    ),
    (
        "connections for database",
        "Raise the database's own limit: ALTER DATABASE ... CONNECTION LIMIT -1 is none.",
    ),
    (
        "_per_hour'",
        "Raise the account's own limit: ALTER USER ... WITH MAX_QUERIES_PER_HOUR 0 sets none.",
    ),
    (
        "max_user_connections",
        "Raise the account's limit (ALTER USER ... WITH MAX_USER_CONNECTIONS), or have fewer auth-workers.",
    ),
)
