"""Logins wait for a worker: there are too few, or the hash is too slow for them.

What you see
    Logins take many seconds when many come at once, and after a minute in the queue they fail.  The log
    says "Auth request was queued for 4 seconds, 12 left in queue".
Why
    auth hands a request to a worker (mysql, sqlite, pam, lua, or passdb_use_worker = yes), and a worker
    does one at a time.  When all are busy, the requests wait.  Dovecot says so at most once in five
    minutes, and gives up a request after 60 seconds (auth-worker-server.c of 2.3.19.1,
    auth-worker-connection.c of 2.4.1).
How we know
    The log says it, since Dovecot last started or was reloaded.  Where auth lost its database, or the
    database refuses it, workers wait for that: more of them would wait with them, and nothing is reported.
What to do
    Allow more workers: auth_worker_max_count on 2.3, process_limit of service auth-worker on 2.4.  More
    workers than processor cores help a slow database, not a slow hash: for that, a cheaper hash, or
    the auth cache.
"""

from mailauth import digits
from mailauth.counted import times
from mailauth.dovecot.messages import LogKind
from mailauth.evidence import Configured, LogWindow
from mailauth.finding import Certainty, Problem, Severity, Trait, rule
from mailauth.remedies import RELOAD, Setting, block, remedy
from mailauth.rules import database_case

_DEFAULT = 30  # of both dialects


@rule(
    "AUTH007",
    "Logins wait in the queue for a worker",
    Severity.RISK,
    yields_to=database_case.CAUSES,
    watch="workers",
    traits=[Trait.WORSE_WHEN_BUSY],
)
def worker_queue(configured: Configured, log: LogWindow) -> Problem | None:
    queued = log.of(LogKind.QUEUED)
    if queued is None or log.database_lost:
        return None
    more = max(_DEFAULT, 2 * _workers(configured))
    on_23 = [Setting("auth_worker_max_count", str(more))]
    on_24 = [block("service", "auth-worker", Setting("process_limit", str(more)))]
    return Problem(
        says=f"Dovecot says, {times(queued.count)} since {log.begins}: {queued.text}.",
        because=(log, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Allow more workers at the same time, or store a hash that takes less time.",
            config={"2.3": on_23, "2.4": on_24},
            file=configured.file,
            commands=(RELOAD,),
            careful="Each worker may verify at the same time: their memory adds up.",
        ),
    )


def _workers(configured: Configured) -> int:
    tree = configured.config.tree
    if configured.version.dialect == "2.3":
        return _number(tree.get("auth_worker_max_count"))
    own = [block.get("process_limit") for block in tree.all("service") if block.name == "auth-worker"]
    return _number(own[-1] if own else "")


def _number(text: str) -> int:
    found = digits.number(text.strip())
    return _DEFAULT if found is None else found
