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
    The log says it, since Dovecot last started or was reloaded.
What to do
    See what the process waits for: cat /proc/PID/wchan, or strace -p PID.  Where auth itself
    verifies slow hashes, see AUTH010.
"""

from mailauth.dovecot.logs import LogKind
from mailauth.evidence import LogWindow
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("AUTH012", "auth or a worker did not answer in time", Severity.RISK)
def no_answer(log: LogWindow) -> Problem | None:
    found = [
        one
        for one in (log.of(LogKind.NOT_RESPONDING), log.of(LogKind.ABORTED, "Lookup timed out"))
        if one is not None
    ]
    if not found or log.database_lost:
        return None
    return Problem(
        says=" ".join(f"Dovecot says, {one.count} times since {log.begins}: {one.text}." for one in found),
        because=(log,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary="See what auth and its workers wait for, and start auth anew by a reload.",
            commands=("doveadm reload",),
        ),
    )
