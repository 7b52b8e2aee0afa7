"""One verification takes longer than anybody waits: no login can succeed.

What you see
    The login hangs for a minute or more, then fails: "Temporary authentication failure", or the
    connection is closed.  The log says "Lookup timed out" or "Disconnected: Inactivity".
Why
    rounds=999999999, a bcrypt cost of 31 or millions of passes are legal numbers, and take hours.  auth
    gives a worker up after 60 seconds (AUTH_WORKER_LOOKUP_TIMEOUT_SECS, Dovecot 2.3.19.1
    src/auth/auth-worker-server.c), a login process its client after 3 minutes.
How we know
    The seconds follow from the parameters, by the speed of one core of 2025 (docs/memory.md); it is
    said only where no machine is fast enough.
What to do
    Set the password again with today's numbers: mailauth hash new.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules.hash_case import NEVER, takes_long


@rule("HASH034", "One verification takes longer than Dovecot waits", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def never_done_in_time(stored: StoredHash) -> Problem | None:
    if stored.damage is not None or stored.seconds < NEVER:
        return None
    return takes_long(stored, "; a worker is given up after 60 s, a client after 180 s")
