"""The limit is raised in the configuration, but the running process still has the old one.

What you see
    vsz_limit was raised, doveconf shows the new value, and the right password still fails with
    "Password mismatch".
Why
    Dovecot's master hands out the limits that it read when it started or was last reloaded.  New
    processes get the old limit too: neither waiting nor killing the worker helps.
How we know
    /proc/PID/limits of the verifying process differs from what doveconf says; a trial with the room
    of the running process is out of memory, and the configured limit is enough.
What to do
    doveadm reload.  It ends no mail session.
"""

from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.evidence import Configured, StoredHash, Trials, Verifiers
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy
from mailauth.rules import memory_case


@rule(
    "MEM002",
    "The raised limit is not in force: Dovecot was not reloaded",
    Severity.BLOCKS_LOGIN,
    bears=Bears.RUNNING,
)
def limit_not_reloaded(
    configured: Configured, stored: StoredHash, verifiers: Verifiers, trials: Trials
) -> Problem | None:
    short = memory_case.short_of_memory(trials, stored.memory)
    waiting = [trial for trial in short if memory_case.reload_suffices(trial.process, stored.memory)]
    if not waiting:
        return None
    process = waiting[0].process
    return Problem(
        says=(
            f"The hash takes {show_size(stored.memory.total)}. The configuration allows {process.service}"
            f" {show_limit(process.configured)} ({process.place}), but the running process {process.pid} is"
            f" still held to {show_limit(process.limit)}. Every login fails until a reload."
        ),
        because=(stored, configured, verifiers, trials),
        certainty=Certainty.PROVEN,
        remedy=remedy(summary="Reload Dovecot.", commands=(RELOAD,), whole=True),
    )
