"""auth, or a worker, did not answer in time.

What you see
    A client connects and gets no greeting, or its login hangs and then fails with "Temporary
    authentication failure".  The log says "Auth process not responding, delayed sending initial
    response (greeting)", or "Aborted PASSV request for alice: Lookup timed out".
Why
    A login process waits for auth before it greets, and says so after some seconds; auth waits 60
    seconds for a worker, and then kills the request (client-common-auth.c, auth-worker-server.c of
    Dovecot 2.3.19.1).  auth is stopped or busy, or a worker waits for a database, a lock, PAM or LDAP.
How we know
    auth was greeted, and did not answer for 5 seconds in which it did not compute: nobody can log in.
    Or the log says it, since Dovecot last started or was reloaded: that is a risk, unless a login made
    now fails in the same way. (The 60 seconds are a constant of Dovecot's and not in the test suite;
    bench/lookup_timeout.py makes a worker wait for so long, and the log that came of it is tested.)
What to do
    See what the process waits for: cat /proc/PID/wchan, or strace -p PID; one that is stopped goes on
    after kill -CONT PID.  Where auth itself verifies slow hashes, see AUTH010.
"""

from mailauth.counted import times
from mailauth.dovecot.messages import LogKind
from mailauth.evidence import AuthAnswer, Evidence, Logins, LogWindow, LookedUp
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy
from mailauth.stores.store import Failing

_COMPUTING = 0.5  # seconds of its own processor time: then AUTH010 tells why it does not answer


@rule(
    "AUTH012",
    "auth or a worker did not answer in time",
    Severity.RISK,
    yields_to=("CONF017", "AUTH014"),
    bears=Bears.START,
    watch="workers",
)
def no_answer(
    answer: AuthAnswer, log: LogWindow | None, logins: Logins | None, lookups: LookedUp | None
) -> Problem | None:
    if answer.hangs and answer.computing < _COMPUTING:
        return _problem(
            (answer,), f"auth did not greet for {answer.seconds:.0f} s: {answer.hangs}.", now=True
        )
    if log is None or log.database_lost or (lookups and lookups.failures(Failing.SLOW)):
        return None  # what a worker waits for is named
    found = [
        one
        for one in (log.of(LogKind.NOT_RESPONDING), log.of(LogKind.ABORTED, "Lookup timed out"))
        if one is not None
    ]
    if not found:
        return None
    says = " ".join(f"Dovecot says, {times(one.count)} since {log.begins}: {one.text}." for one in found)
    fails = [reply for reply in logins.replies if reply.code == "temp_fail"] if logins else []
    return _problem((log, logins) if logins and fails else (log,), says, now=bool(fails))


def _problem(because: tuple[Evidence, ...], says: str, *, now: bool) -> Problem:
    return Problem(
        says=says,
        because=because,
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="See what auth and its workers wait for, and restart auth by a reload.",
            commands=(RELOAD,),
            whole=True,
        ),
        severity=Severity.BLOCKS_LOGIN if now else None,
    )
