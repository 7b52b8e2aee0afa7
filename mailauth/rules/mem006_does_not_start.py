"""The service that verifies cannot even start under its vsz_limit.

What you see
    Every login fails: "Temporary authentication failure" from auth-worker, "Auth process broken" or a
    closed connection from auth.  The log says "failed to map segment from shared object", "Couldn't load
    plugin" or "returned error 83 (Out of memory ...)".
Why
    vsz_limit counts the program and its libraries, too: 6 to 26 MiB, by the drivers that are installed
    (measured).  Below that no process starts, or it starts without the driver that it needs; between, it
    is a matter of which library is loaded first, so that 10M may work where 14M does not (measured).
How we know
    No such process runs although it was asked for, and Dovecot's own list of its last errors says that
    memory was short.
What to do
    Raise vsz_limit of the service named, then doveadm reload.
"""

from mailauth.dovecot.sizes import show_limit
from mailauth.evidence import Configured, NoStart, StoredHash
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.memory import fit
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_MiB = 1024 * 1024
_IDLE = 32 * _MiB  # more than any process of auth was seen to take


@rule(
    "MEM006",
    "A service that verifies cannot start under its vsz_limit",
    Severity.BLOCKS_LOGIN,
    bears=Bears.START,
)
def does_not_start(configured: Configured, stored: StoredHash, start: NoStart) -> Problem | None:
    limit = fit.safe_limit(_IDLE, stored.memory) // _MiB
    return Problem(
        says=(
            f"No {start.service} process starts with {show_limit(start.limit)} ({start.place}). Dovecot says:"
            f" {start.words}"
        ),
        because=(start, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary=f"Give {start.service} room for itself and the hash.",
            config=both(block("service", start.service, Setting("vsz_limit", f"{limit}M"))),
            file=configured.file,
            commands=(RELOAD,),
        ),
    )
