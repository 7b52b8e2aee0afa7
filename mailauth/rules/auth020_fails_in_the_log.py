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

import shlex

from mailauth.dovecot.messages import Why
from mailauth.evidence import Configured, Logins, LogWindow, LookedUp, PasswordCheck, UserInLog, UserName
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
    name: UserName | None,
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
        cached = check.lets_in and Why.UNKNOWN in told.whys and configured and _keeps_unknown(configured)
        return _perhaps_the_cache(log, check, name) if cached else None
    if explained:
        return _undecided_by_what_is_stored(log, lookups, name)
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


def _perhaps_the_cache(log: UserInLog, check: PasswordCheck, name: UserName | None) -> Problem:
    now = (
        " The store has the user now, with this password: it came later, or auth's cache (auth_cache_size)"
        " still says that there is no such user, for as long as auth_cache_negative_ttl."
    )
    told = log_case.of_user(log.of_clients)
    return Problem(
        says=f"{told} The log has no login of this user that worked after them.{now}",
        because=(log, check),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary=f"A real login shows whether it still fails: {_a_login(name)}."
            " If it does, flush the cache.",
            commands=(("doveadm", "auth", "cache", "flush"),),
        ),
    )


def _undecided_by_what_is_stored(log: UserInLog, lookups: LookedUp | None, name: UserName | None) -> Problem:
    """Words of passdbs that mailauth looks into: nothing that it found there explains them."""
    told = log.of_clients
    says = f"{log_case.of_user(told)} The log has no login of this user that worked after them."
    if told.whys <= _TYPED:
        says += " Nothing is wrong with what is stored, as far as that shows without the password."
        summary = f"Try the right password: {_a_login(name)}. If it logs in, the client sends another one."
    else:
        says += " The checks found nothing of that now."
        summary = f"A real login shows whether it still fails: {_a_login(name)}."
    return Problem(
        says=says,
        because=(log, *((lookups,) if lookups else ())),
        certainty=Certainty.PROVEN,
        severity=Severity.NOTE,
        remedy=remedy(summary=summary, commands=(LOG_FIND,)),
    )


def _a_login(name: UserName | None) -> str:
    """The command that decides."""
    return shlex.join(("mailauth", "diagnose", "--login", "-p", name.given if name else "USER"))
