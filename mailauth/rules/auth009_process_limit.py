"""A service has reached its limit of processes, and Dovecot turns clients away.

What you see
    Connections are accepted and nothing follows, or they end at once.  The log says
    "service(imap-login): process_limit (100) reached, client connections are being dropped".
Why
    With service_count = 1 (restart_request_count = 1 on 2.4) each connection before the login has a
    login process of its own, and process_limit bounds them: 100 idle connections of one scanner are
    enough to lock everybody out (service-monitor.c, Dovecot 2.3.19.1 and 2.4.1).
How we know
    The log says it, since Dovecot last started or was reloaded.
What to do
    Raise process_limit of the service that is named; for login services one process may serve many
    (service_count = 0 on 2.3, restart_request_count = unlimited on 2.4).  mailauth log shows who holds the
    connections.
"""

from mailauth.evidence import Configured, LogWindow
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import limit_case


@rule(
    "AUTH009",
    "process_limit is reached, and clients are turned away",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="workers",
)
def process_limit(configured: Configured, log: LogWindow) -> Problem | None:
    trouble = limit_case.reached(log, clients=False)
    if trouble is None:
        return None
    careful = "More processes take more memory; default_vsz_limit bounds each."
    return limit_case.problem(configured, log, trouble, "process_limit", careful)
