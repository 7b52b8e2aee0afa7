"""The hash fits, but only just.

What you see
    Logins work today.  After an update of Dovecot, or after another driver package is installed, the
    right password fails with "Password mismatch"; or the first login of a process works and a later
    one fails.
Why
    The room for the hash is the limit less the size of the idle process, and that size is not yours
    to choose: it grows with every driver that is installed (by 2.4 to 14.5 MiB each, measured) and
    with the heap (by up to 96 KiB and the index array of the hash, measured).
How we know
    The size and the limit of the running process, read from /proc, and the hash's exact need.
What to do
    Raise vsz_limit of the service named, then doveadm reload.
"""

from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.evidence import Configured, StoredHash, Trials, Verifiers
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.memory import fit
from mailauth.rules import memory_case


@rule("MEM003", "The hash fits into the verifying process only just", Severity.RISK)
def thin_margin(
    configured: Configured, stored: StoredHash, verifiers: Verifiers, trials: Trials
) -> Problem | None:
    if memory_case.short_of_memory(trials, stored.memory):
        return None
    thin = memory_case.thin(trials, stored.memory)
    if not thin:
        return None
    trial = thin[0]
    spare = (trial.room or 0) - stored.memory.blocks
    certain = spare >= fit.slack(stored.memory)
    return Problem(
        says=(
            f"The hash takes {show_size(stored.memory.total)}; the {trial.process.service} process is"
            f" {show_size(trial.process.size)} and may grow to {show_limit(trial.process.limit)}:"
            f" {show_size(spare)} to spare."
            + (
                ""
                if certain
                else " A process's first login works; whether later ones do depends on how its heap grows."
            )
        ),
        because=(stored, verifiers, trials),
        certainty=Certainty.PROVEN if certain else Certainty.LIKELY,
        remedy=memory_case.raise_limits([t.process for t in thin], stored.memory, configured.file),
    )
