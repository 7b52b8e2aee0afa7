"""The database user may not read the table.

What you see
    Every login fails with a temporary error.  The log says "permission denied for table" or "SELECT
    command denied".
Why
    Dovecot connects, but its database user was not given SELECT on what the query reads.  MariaDB says
    "access denied to database" to such a user for a database that is not there, too.  A view or a routine
    reads with the rights of its DEFINER, and says "Access denied" where that account may not.
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    As the database's administrator: GRANT SELECT ON the table TO Dovecot's user.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB007",
    "The database user may not read the table",
    Severity.BLOCKS_LOGIN,
    bears=Bears.DATABASE,
    watch="server",
)
def permission_denied(lookups: LookedUp) -> Problem | None:
    failed = [failure for _, failure in lookups.failures(Failing.PERMISSION)]
    advice = _DEFINER if any(one.code in ("1045", "1698") for one in failed) else _GRANT
    return database_case.problem(lookups, advice, Failing.PERMISSION)


_GRANT = "GRANT SELECT on what the password query (<place>) reads to Dovecot's user."
_DEFINER = (
    "Make the views that the password query (<place>) reads again, with a DEFINER that exists and may read"
    " their tables, or with SQL SECURITY INVOKER."
)
