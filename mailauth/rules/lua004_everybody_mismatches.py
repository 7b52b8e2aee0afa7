"""Everybody's logins mismatch at a Lua passdb, since some time.

What you see
    The log has "Password mismatch" for one user after the other, and no login that worked since.
Why
    A script that asks a web service or a database answers PASSWORD_MISMATCH if that does not answer, though
    Dovecot has INTERNAL_FAILURE for it.  Then an outage looks like wrong passwords, mail clients ask for a
    new one, and fail2ban bans their addresses.  Or somebody guesses passwords: the log cannot tell.
How we know
    The log since Dovecot last started or was reloaded: the users who fail, and those of them who logged in
    before.  It is never proven: what the script asks was not asked.
What to do
    See that what the script asks is there.  Let the script return PASSDB_RESULT_INTERNAL_FAILURE where it is
    not.
"""

from mailauth.dovecot.messages import Why
from mailauth.evidence import UnseenFailures
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import LOG_FIND, remedy

_MANY = 3  # users; fewer may each have mistyped


@rule("LUA004", "Everybody's logins mismatch at a Lua passdb", Severity.RISK, bears=Bears.NOTHING)
def everybody_mismatches(log: UnseenFailures) -> Problem | None:
    lua = [one for one in log.passdbs if "(lua)" in one]
    over = log.last_login and log.first and log.last_login > log.first
    if not lua or lua != list(log.passdbs) or over or len(log.users) < _MANY or log.whys != {Why.MISMATCH}:
        return None
    before = f", {len(log.returned)} of whom logged in before" if log.returned else ""
    return Problem(
        says=f"The last logins of {len(log.users)} users{before} all failed with a password mismatch of"
        f" {' and '.join(lua)}, and nobody has logged in since the first of them. Perhaps what the script"
        " asks does not answer; or somebody guesses passwords.",
        because=(log,),
        certainty=Certainty.LIKELY,
        severity=None if len(log.returned) >= _MANY else Severity.NOTE,
        remedy=remedy(
            summary="See that what the script asks is there; let it return PASSDB_RESULT_INTERNAL_FAILURE"
            " if that does not answer.",
            commands=(LOG_FIND,),
        ),
    )
