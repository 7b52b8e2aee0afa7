"""The database takes long to answer.

What you see
    Logins are slow, for everyone who is not in the auth cache; some clients give up and try again.  The
    log may say "Finished query ... in ... msecs".
Why
    A column without an index, a view over much data, a lock that another program holds, or a server
    that is far away or overloaded.  With PostgreSQL one connection at a time is asked by auth, so that
    users wait for each other; after 60 seconds Dovecot gives up.
How we know
    The password query was timed, from connecting to the answer. Where it ended without one, logins fail:
    proven if the server itself ended it (statement_timeout, lock_timeout), or if a login made now fails or
    gets no answer, too; likely if only we gave up after 10 seconds.  What the server says that the query
    waits for is shown: MariaDB's SHOW PROCESSLIST, PostgreSQL's pg_locks, as far as the account sees them.
What to do
    Put an index on the column that is compared with the name, and see what holds locks: EXPLAIN, SHOW
    PROCESSLIST, pg_stat_activity.  auth_cache_size spares those who log in often the wait.
"""

from mailauth.evidence import Logins, LookedUp, PassdbAnswer
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.store import Failing, Failure

_SLOW = 1.0  # seconds
_LOOK = "See what the query waits for: an index that is missing, or a lock."
_ENDS = "Have the session that holds the lock end its work (COMMIT, UNLOCK TABLES), or end that session."
_GIVEN_UP = 9.5  # seconds: our own limit, see stores/sql.py, and Dovecot's is 60


@rule("DB005", "The database takes long to answer", Severity.RISK, bears=Bears.DATABASE, watch="server")
def slow(lookups: LookedUp, logins: Logins | None) -> Problem | None:
    late = [a for a in lookups.answers if a.seconds > _SLOW and a.failure is None]
    ended = lookups.failures(Failing.SLOW)
    if not late and not ended:
        return None
    found = [f"{a.passdb}, {a.place}: {a.seconds:.1f} s" for a in late]
    found += [f"{a.passdb}, {f.place}: {f.says} (after {a.seconds:.1f} s)" for a, f in ended]
    shown = logins is not None and not any(reply.ok for reply in logins.replies)
    given_up = any(a.seconds >= _GIVEN_UP for a, _ in ended) and not shown
    return Problem(
        says=f"The password query took long: {'; '.join(found)}.",
        because=(lookups, logins) if logins and ended else (lookups,),
        certainty=Certainty.LIKELY if given_up else Certainty.PROVEN,
        severity=Severity.BLOCKS_LOGIN if ended else None,
        remedy=Remedy(summary=_ENDS if _locked(ended) else _LOOK),
    )


def _locked(ended: tuple[tuple[PassdbAnswer, Failure], ...]) -> bool:
    return any(failure.waits for _, failure in ended)
