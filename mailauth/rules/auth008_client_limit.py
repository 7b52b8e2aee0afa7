"""A service has reached its limit of clients, and Dovecot turns others away.

What you see
    Logins hang or fail when many are connected.  The log says "service(auth): client_limit (1000)
    reached, client connections are being dropped", at most once a minute.
Why
    One auth process serves every login process, worker and plugin; each holds a connection.  At
    client_limit nobody listens any more.  auth needs about one for each login process that may run and
    one for each mail process that starts (service-monitor.c, Dovecot 2.3.19.1 and 2.4.1).
How we know
    The log says it, since Dovecot last started or was reloaded.
What to do
    Raise client_limit of the service that is named.
"""

from mailauth.evidence import Configured, LogWindow
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import limit_case


@rule(
    "AUTH008",
    "client_limit is reached, and connections are turned away",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="workers",
)
def client_limit(configured: Configured, log: LogWindow) -> Problem | None:
    trouble = limit_case.reached(log, clients=True)
    if trouble is None:
        return None
    careful = "Each client takes a file descriptor of that process: LimitNOFILE must allow as many."
    return limit_case.problem(configured, log, trouble, "client_limit", careful)
