"""The database server refuses Dovecot's credentials.

What you see
    Every login fails with a temporary error, often after a minute.  The log says "Access denied for
    user" or "password authentication failed".
Why
    The user name, the password, or the host that Dovecot connects from is not one that the server lets
    in.  On a local socket the server may ask which user of the system the process runs as.
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Correct user and password in the SQL settings, or the server's list of who may come from where
    (pg_hba.conf; MariaDB's 'user'@'host'); then doveadm reload.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule("DB002", "The database server refuses Dovecot's credentials", Severity.BLOCKS_LOGIN)
def credentials_refused(lookups: LookedUp) -> Problem | None:
    advice = "Correct user and password in <place>, or the server's list of who may connect."
    return database_case.problem(lookups, advice, Failing.CREDENTIALS)
