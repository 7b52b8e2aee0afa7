"""The log has failed logins of users, which a passdb refused that could not be checked.

What you see
    mailauth finds no fault in what it can read, but users cannot log in.
Why
    A passdb whose driver mailauth does not read yet (PAM, LDAP, Lua, ...) says no.  Dovecot logs its words.
How we know
    Dovecot logged the failures since it last started or was reloaded, and no login of these users that worked
    after them.  Where all were for a wrong password or an unknown user, that is a note: on any server users
    mistype, and others guess.
What to do
    mailauth diagnose --login -p USER shows whether one of them still fails; if so, fix what the words name.
"""

from mailauth.dovecot.messages import Why
from mailauth.evidence import UnseenFailures
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import LOG_ERRORS, LOG_FIND, remedy
from mailauth.rules import log_case

_EVERYWHERE = frozenset({Why.MISMATCH, Why.EMPTY, Why.UNKNOWN, Why.NAME, Why.NOT_TOLD})
_SHOWN = 3


@rule(
    "AUTH021",
    "Logins fail at a passdb that could not be checked",
    Severity.RISK,
    yields_to=("LUA004",),
    bears=Bears.NOTHING,
)
def unseen_passdb_refuses(log: UnseenFailures) -> Problem | None:
    if not log.users:
        return None
    names = ", ".join(repr(one) for one in log.users[-_SHOWN:])
    many = f"{len(log.users)} users, among them {names}," if log.users[_SHOWN:] else names
    says = f"By the log, the last login of {many} failed. Dovecot logs of {' and '.join(log.passdbs)}:"
    says += f" {', '.join(log.reasons)}."
    says += f" That is: {'; '.join(log.causes)}." if log.causes else ""
    says += " The log has no login of anybody that worked." if log.last_login is None else ""
    return Problem(
        says=says,
        because=(log,),
        certainty=Certainty.PROVEN,
        severity=Severity.NOTE if log.whys <= _EVERYWHERE else None,
        remedy=remedy(
            summary=f"{log_case.STILL} fix what these words name.",
            commands=(LOG_FIND, LOG_ERRORS),
        ),
    )
