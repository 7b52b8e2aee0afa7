"""The database client refuses its settings.

What you see
    Every login fails; auth ends when it starts.  The log says "Unknown connect string", "Missing value in
    connect string" or "invalid connection option".
Why
    connect is a list of name=value with blanks between.  Each driver knows its own names (sslmode is
    PostgreSQL's, ssl_ca is MariaDB's), and only PostgreSQL's takes quotes around a value.
How we know
    The line was read by the driver's own rules.
What to do
    Correct the line; then doveadm reload.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB014",
    "The database client refuses its settings",
    Severity.BLOCKS_LOGIN,
    bears=Bears.CONNECTION,
    watch="server",
)
def settings_not_understood(lookups: LookedUp) -> Problem | None:
    return database_case.problem(lookups, "Correct the connection's settings in <place>.", Failing.SETTINGS)
