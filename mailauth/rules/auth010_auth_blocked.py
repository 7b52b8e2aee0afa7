"""Everybody waits while auth verifies one slow hash.

What you see
    Logins of all users take seconds, one after the other, and the machine has idle processor cores.  In
    the log: "Auth process not responding, delayed sending initial response (greeting)".
Why
    There is one auth process.  For passwd-file, pgsql, ldap and static it verifies the hashes itself, and
    meanwhile it answers nobody: with a hash of one second, ten logins at a time wait for ten seconds
    (auth-request.c, Dovecot 2.3.19.1 and 2.4.1; measured).
How we know
    auth was greeted once, and computed for more than half a second before it answered: to greet takes it
    less than a thousandth of that.
What to do
    Store hashes that take less time (mailauth memory recommend); or have workers verify: on 2.4
    passdb_use_worker = yes, on 2.3 a driver that uses them, such as mysql or sqlite.
"""

from mailauth.evidence import AuthAnswer, Configured
from mailauth.finding import Certainty, Problem, Remedy, Severity, StoreChange, rule

_SECONDS = 0.5  # of its own processor time: a busy machine does not count


@rule("AUTH010", "auth is blocked by verifying slow hashes", Severity.RISK)
def auth_blocked(configured: Configured, answer: AuthAnswer) -> Problem | None:
    if not answer.drivers or answer.computing < _SECONDS:
        return None
    return Problem(
        says=(
            f"auth took {answer.seconds:.1f} s to greet and computed for {answer.computing:.1f} s of that: it"
            f" verifies the hashes of {', '.join(answer.drivers)} itself, and meanwhile nobody is answered."
        ),
        because=(answer, configured),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary="Store hashes that take less time; or, on Dovecot 2.4, set passdb_use_worker = yes.",
            store=StoreChange.NEW_PASSWORD,
            careful="Workers verify at the same time: their memory adds up.",
        ),
    )
