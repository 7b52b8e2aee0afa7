"""The database takes long to answer.

What you see
    Logins are slow, for everyone who is not in the auth cache; some clients give up and try again.  The
    log may say "Finished query ... in ... msecs".
Why
    A column without an index, a view over much data, a lock that another program holds, or a server
    that is far away or overloaded.  With PostgreSQL one connection at a time is asked by auth, so that
    users wait for each other; after 60 seconds Dovecot gives up.
How we know
    The password query was timed, from connecting to the answer.
What to do
    Put an index on the column that is compared with the name, and see what holds locks: EXPLAIN, SHOW
    PROCESSLIST, pg_stat_activity.  auth_cache_size spares those who log in often the wait.
"""

from mailauth.evidence import LookedUp
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.store import Failing

_SLOW = 1.0  # seconds


@rule("DB005", "The database takes long to answer", Severity.RISK)
def slow(lookups: LookedUp) -> Problem | None:
    found = [f"{a.passdb}, {a.place}: {a.seconds:.1f} s" for a in lookups.answers if a.seconds > _SLOW]
    found += [f"{a.passdb}, {f.place}: {f.says}" for a, f in lookups.failures(Failing.SLOW)]
    if not found:
        return None
    return Problem(
        says=f"The password query took long: {'; '.join(found)}.",
        because=(lookups,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="See what the query waits for: an index that is missing, or a lock."),
    )
