"""The log has failed logins of this user, for a reason that the checks did not find.

What you see
    mailauth finds no fault in what it can read, but the user cannot log in.
Why
    The refusal comes from a part that was not checked: a passdb whose driver mailauth does not read yet, a
    directory that verifies passwords itself, a policy server, a rule for the client's address.  Dovecot logs
    its answer.
How we know
    Dovecot logged the failures since it last started or was reloaded, and no login of this user that worked
    after them.  Where all were for a wrong password, that is a note: the user may have mistyped it.
What to do
    mailauth diagnose --login -p USER shows whether it still fails; if it does, fix what the words name.
"""

from mailauth.dovecot.messages import Why
from mailauth.evidence import Logins, LogWindow, LookedUp, PasswordCheck, UserInLog
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import LOG_ERRORS, LOG_FIND, remedy
from mailauth.rules import log_case

_TYPED = frozenset({Why.MISMATCH, Why.EMPTY})
# Words of a passdb that mailauth looks into say no more than what it finds there.
_OF_A_PASSDB = _TYPED | {Why.UNKNOWN, Why.SCHEME, Why.NAME, Why.SESSIONS, Why.OTHER, Why.NOT_TOLD}


@rule("AUTH020", "The log has failed logins of this user", Severity.RISK, last=True, bears=Bears.NOTHING)
def fails_in_the_log(
    log: UserInLog,
    lookups: LookedUp | None,
    logins: Logins | None,
    window: LogWindow | None,
    check: PasswordCheck | None,
) -> Problem | None:
    unseen = lookups.unseen if lookups else ()
    told = log.of_clients
    there = [] if check or not lookups else [one.passdb for one in lookups.answers if one.verified_there]
    open_there = there and told.whys & _TYPED
    if not told.failing or logins or (not unseen and not open_there and told.whys <= _OF_A_PASSDB):
        return None
    names = " and ".join(one.passdb for one in unseen)
    says = f"{log_case.of_user(told)} The log has no login of this user that worked after them."
    says += log_case.of_auth(window)
    says += f" {names} was not looked into." if names else ""
    if open_there:
        says += f" {' and '.join(there)} has the user; whether its server takes the password was not asked."
    return Problem(
        says=says,
        because=(log, *((lookups,) if lookups else ()), *((window,) if log_case.of_auth(window) else ())),
        certainty=Certainty.PROVEN,
        severity=Severity.NOTE if told.whys <= _TYPED else None,
        remedy=remedy(
            summary=f"{log_case.STILL} fix what these words name.",
            commands=(LOG_FIND, LOG_ERRORS),
        ),
    )
