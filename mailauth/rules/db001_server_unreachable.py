"""The database server cannot be reached.

What you see
    Every login fails with a temporary error, or waits up to a minute and fails then.  The log says
    "Connect failed to database" and "no free connections"; on 2.3 auth itself can die of it.
Why
    Nothing answers at the host and port, or the socket, that Dovecot is set to use: the server is stopped,
    listens elsewhere, or a firewall refuses.  With MariaDB and MySQL "localhost" means the
    socket of the client library, and not 127.0.0.1.
How we know
    The password query was sent to the same server, with the same credentials, as the same user of the
    system; the reason is the server's own code (SQLSTATE, error number, errno), not its text.
What to do
    Start the server, or correct host and port in the SQL settings; then doveadm reload.
"""

from mailauth.dovecot.drivers import Question
from mailauth.evidence import LookedUp
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import database_case
from mailauth.stores.store import Failing


@rule(
    "DB001",
    "The database server cannot be reached",
    Severity.BLOCKS_LOGIN,
    bears=Bears.CONNECTION,
    asks=Question.DATABASE,
    watch="server",
)
def server_unreachable(lookups: LookedUp) -> Problem | None:
    failed = lookups.failures(Failing.DOWN)
    by_name = any(a.driver == "mysql" and f.place.startswith("mysql localhost") for a, f in failed)
    return database_case.problem(lookups, _LOCALHOST if by_name else _ADVICE, Failing.DOWN)


_ADVICE = "Start the database server, or correct its address in <place>."
_LOCALHOST = (
    "localhost means the socket: start the server, or write in <place> host = 127.0.0.1, or the path of the"
    " server's socket."
)
