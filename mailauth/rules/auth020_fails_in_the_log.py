"""The log has failed logins of this user, for a reason that the checks did not find.

What you see
    mailauth finds no fault in what it can read, but the user cannot log in.
Why
    The refusal comes from a part that was not checked: a passdb whose driver mailauth does not read yet, a
    directory that verifies passwords itself, a policy server, a rule for the client's address.  Dovecot logs
    its answer.
    A wrong password is logged alike whoever is to blame: the user, a mail client that has an old one, or
    somebody who guesses.
How we know
    Dovecot logged the failures since it last started or was reloaded, and no login of this user that worked
    after them.  Where all were for a wrong password, or nothing is wrong any more with what they name, that
    is a note.  That there is no such user may also be what auth's cache keeps of a time when there was none.
What to do
    mailauth diagnose --login -p USER shows whether it still fails; if it does, fix what the words name.
    Where that login works, the client sends another password than the one that was given.
"""

from mailauth.dovecot.messages import Why
from mailauth.evidence import Configured, Logins, LogWindow, LookedUp, PasswordCheck, UserInLog
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import FLUSH, LOG_ERRORS, LOG_FIND, remedy
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
    configured: Configured | None,
) -> Problem | None:
    unseen = lookups.unseen if lookups else ()
    told = log.of_clients
    there = [] if check or not lookups else [one.passdb for one in lookups.answers if one.verified_there]
    open_there = there and told.whys & _TYPED
    explained = not unseen and not open_there and told.whys <= _OF_A_PASSDB
    if not told.failing or logins:
        return None
    if explained and check:
        may_be = told.whys & {Why.UNKNOWN, Why.NOT_TOLD}
        cached = check.lets_in and may_be and configured and _keeps_unknown(configured)
        return _perhaps_the_cache(log, check) if cached else None
    if explained:
        return _undecided_by_what_is_stored(log, lookups)
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


def _keeps_unknown(configured: Configured) -> bool:
    """Whether auth answers from its cache that there is no such user."""
    seconds = configured.config.tree.get("auth_cache_negative_ttl", "1 hours").strip()
    return bool(configured.config.cache_size) and seconds.partition(" ")[0] != "0"


def _perhaps_the_cache(log: UserInLog, check: PasswordCheck) -> Problem:
    now = (
        " The store has the user now, with this password: it came later, or auth's cache (auth_cache_size)"
        " still says that there is no such user, for as long as auth_cache_negative_ttl."
    )
    told, named = log_case.of_user(log.of_clients), Why.UNKNOWN in log.of_clients.whys
    says = f"{told} The log has no login of this user that worked after them."
    return Problem(
        says=says + (now if named else _NO_REASON),
        because=(log, check),
        certainty=Certainty.LIKELY,
        severity=None if named else Severity.NOTE,
        remedy=remedy(
            summary=f"A real login shows whether it still fails: {log_case.A_LOGIN}."
            " If it does, flush the cache.",
            commands=(FLUSH,),
            by_hand=True,
        ),
    )


_NO_REASON = (
    " The store has the user, with this password: another password was sent, or auth's cache"
    " (auth_cache_size) still says that there is no such user, for as long as auth_cache_negative_ttl."
)


def _undecided_by_what_is_stored(log: UserInLog, lookups: LookedUp | None) -> Problem:
    """Words of passdbs that mailauth looks into: nothing that it found there explains them."""
    told = log.of_clients
    says = f"{log_case.of_user(told)} The log has no login of this user that worked after them."
    if told.whys <= _TYPED:
        says += " Nothing is wrong with what is stored, as far as that shows without the password."
        summary = f"Try the right password: {log_case.A_LOGIN}. If it logs in, the client sends another one."
    else:
        says += " The checks found nothing of that now."
        summary = f"A real login shows whether it still fails: {log_case.A_LOGIN}."
    return Problem(
        says=says,
        because=(log, *((lookups,) if lookups else ())),
        certainty=Certainty.PROVEN,
        severity=Severity.NOTE,
        remedy=remedy(summary=summary, commands=(LOG_FIND,)),
    )
