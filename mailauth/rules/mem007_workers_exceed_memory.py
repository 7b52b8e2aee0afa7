"""The machine or its control group has less memory than the workers may take together.

What you see
    Logins work, one at a time.  When many come at once, the kernel kills processes: "child 1234 killed
    with signal 9", and those logins fail with "Temporary authentication failure".
Why
    vsz_limit is a limit of each process.  Argon2 fills all its memory, so that each verification takes
    it for real; and up to 30 workers verify at the same time.  What all of them may take is bounded by
    the control group (a container, a unit's MemoryMax) and by the machine.
How we know
    The limits of the control group and of the machine are read from the kernel; the hash's memory times
    the number of workers exceeds the lowest, even if nothing else took any.
What to do
    Allow fewer workers: auth_worker_max_count on 2.3, process_limit of service auth-worker on 2.4.  The
    others wait, for some tenths of a second each.  Or more memory, or a hash that takes less.
"""

from mailauth.dovecot.sizes import show_size
from mailauth.evidence import Configured, Host, StoredHash, Verifiers
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.remedies import HASH_NEW, RELOAD, Setting, block, remedy

_SHARE = 2  # half of the memory is left to everything else


@rule("MEM007", "The workers together may take more memory than there is", Severity.RISK)
def workers_exceed_memory(
    configured: Configured, stored: StoredHash, verifiers: Verifiers, host: Host
) -> Problem | None:
    by_workers = any(process.service == "auth-worker" for process in verifiers.processes)
    ceiling, each = host.tightest, stored.memory.total
    most = host.workers if by_workers else 1
    if ceiling is None or most * each <= ceiling.limit:
        return None
    few = max(1, ceiling.limit // _SHARE // each)
    fits = each <= ceiling.limit
    on_23 = [Setting("auth_worker_max_count", str(few))]
    on_24 = [block("service", "auth-worker", Setting("process_limit", str(few)))]
    return Problem(
        says=(
            f"The hash takes {show_size(each)}, and {most} processes may verify at the same time:"
            f" {show_size(most * each)}. {ceiling.what[:1].upper()}{ceiling.what[1:]} has"
            f" {show_size(ceiling.limit)} ({ceiling.source})."
        ),
        because=(stored, verifiers, host, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary=f"Let no more than {few} verify at the same time." if fits else "Store a smaller hash.",
            config={"2.3": on_23, "2.4": on_24} if fits else {},
            file=configured.file,
            commands=(RELOAD,) if fits else (HASH_NEW,),
            careful=(
                "2.4's auth learns of process_limit from its first worker: of logins that come at the same"
                " moment just after a reload, those beyond it fail (measured on 2.4.1)."
            ),
        ),
    )
