"""Dovecot does not take the configuration: a name or a value that it does not know.

What you see
    Dovecot does not start, and a reload has no effect: one that runs goes on with what it read before.
    doveadm and doveconf end with "Error in configuration file ... line ...".
Why
    A misspelt setting, a value of the wrong kind, a brace too many or too few, a file that is named
    and not there.  Dovecot stops at the first of them.
How we know
    doveconf was asked; its words are shown.
What to do
    Correct the line that is named, ask doveconf -n again, and reload when it is silent.
"""

from mailauth.evidence import Accepted
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import misfit_remedy


@rule("CONF019", "Dovecot refuses its configuration", Severity.BLOCKS_LOGIN, bears=Bears.START)
def refused(accepted: Accepted) -> Problem | None:
    words = accepted.words
    if not words or "dovecot_config_version" in words or "dovecot_storage_version" in words:
        return None
    if any(f"{one.file}:{one.line}" == accepted.place for one in accepted.misfits):
        return None
    if "vsz_limit is too low" in words and any(misfit_remedy.is_limit(one) for one in accepted.misfits):
        return None
    return Problem(
        says=f"Dovecot {accepted.version} says of {accepted.place}: {words}.",
        because=(accepted,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=f"Correct {accepted.place}; doveconf -n shows the next line that Dovecot refuses.",
            careful="Do not restart before that: the running Dovecot works on, a stopped one does not start.",
        ),
    )
