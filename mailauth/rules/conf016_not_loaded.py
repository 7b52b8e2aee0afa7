"""The configuration on the disk is newer than what the running Dovecot has read.

What you see
    Nothing, or a change that has no effect.  What doveconf and mailauth read is not what runs, and the
    next restart brings it in, with any mistake that it has.
Why
    Dovecot reads its files when it starts and at a reload: a changed file does nothing before
    doveadm reload.
How we know
    The times of the files were compared with the start of the oldest auth process, which a reload
    starts.  A file that is older may have been read or not; it is not judged.
What to do
    doveadm reload, then look again.
"""

from mailauth.evidence import Logins, PasswordCheck, Running
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, remedy

_TITLE = "The configuration was changed after Dovecot read it"


# MEM002 says which limit it is, where that is what matters
@rule("CONF016", _TITLE, Severity.RISK, yields_to=("MEM002",), bears=Bears.AUTH, watch="server")
def not_loaded(running: Running, logins: Logins | None, check: PasswordCheck | None) -> Problem | None:
    if not running.changed:
        return None
    refused = logins and check and check.lets_in and not any(reply.ok for reply in logins.replies)
    fails = " A login made now was refused, with a password that by these files is right." if refused else ""
    return Problem(
        says=f"{', '.join(running.changed)} changed after {running.started}, when auth began: what runs is"
        f" not what is configured; this report describes the files.{fails}",
        because=(running, logins) if refused and logins else (running,),
        severity=Severity.BLOCKS_LOGIN if refused else None,
        certainty=Certainty.LIKELY,
        remedy=remedy(summary="Reload, then look again.", commands=(RELOAD,), whole=True),
    )
