"""A process that a login needs was killed by a signal.

What you see
    Some logins fail with "Temporary authentication failure" or "Authentication failed", whatever the
    password is.  The log says "child 1234 killed with signal 9", or 11, or 6.
Why
    9 is the kernel's out-of-memory killer, a cgroup's limit, or somebody's kill -9; 11 and 6 are bugs, in
    Dovecot, in a library or in a plugin.  Whoever was being verified in that process fails.
How we know
    Dovecot's master logs how its children end, since it last started or was reloaded.
What to do
    For signal 9: journalctl -k shows whether the kernel did it; give the machine or the container more
    memory, or allow fewer workers.  For 11 and 6: upgrade Dovecot and its libraries; a backtrace of the
    core file shows where it crashes.
"""

from mailauth.counted import times
from mailauth.dovecot.messages import LogKind
from mailauth.evidence import LogTrouble, LogWindow
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule

_OF_LOGINS = ("auth", "auth-worker", "anvil", "log", "master", "config")


# MEM006: what the process died of was its limit.
@rule(
    "AUTH011",
    "A process that a login needs was killed",
    Severity.RISK,
    yields_to=("MEM006",),
    watch="workers",
)
def crashed(log: LogWindow) -> Problem | None:
    found = [one for one in log.troubles if one.kind is LogKind.CRASHED and _counts(one)]
    # 2.3 and 2.4 crash when PostgreSQL (auth) or MariaDB (auth-worker) goes away or refuses them
    # (measured): that is the cause to tell.
    found = [one for one in found if not (log.database_lost and one.service in ("auth", "auth-worker"))]
    if not found:
        return None
    signals = {one.what for one in found}
    since = log.begins
    says = [
        f"Dovecot says, {times(one.count)} since {since}: {one.text.partition(' (')[0]}." for one in found
    ]
    panics = [one for one in log.all(LogKind.PANIC) if one.service in {other.service for other in found}]
    says += [f"Before it: {one.text}." for one in panics[:1]]
    return Problem(
        says=" ".join(says),
        because=(log,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=(
                "See who killed it: journalctl -k | grep -i 'killed process' shows the kernel's doing."
                if signals == {"9"}
                else "Upgrade Dovecot and its libraries; get a backtrace of the core file."
            ),
            careful="A reload resets the count.",
        ),
    )


def _counts(one: LogTrouble) -> bool:
    return one.service in _OF_LOGINS or one.service.endswith("-login")
