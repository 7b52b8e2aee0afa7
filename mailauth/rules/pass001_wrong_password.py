"""The password given is not the one that was hashed.

What you see
    The login fails.  The log says "Password mismatch", exactly as for a lack of memory.
Why
    It is another password, perhaps that of a passdb which is not asked.  Or it is another hash: somebody
    changed it, or it is another user's, and nothing in the hash shows that.
How we know
    The stored hash was verified with all the memory that it needs, and does not match; nor do near
    variants of the password, as far as there was time for them.
What to do
    Use the right password, or set a new one.
"""

from mailauth.dovecot.authconfig import OF_THE_SYSTEM
from mailauth.dovecot.drivers import Question
from mailauth.evidence import (
    Configured,
    LookedUp,
    PasswordBytes,
    PasswordCheck,
    PasswordElsewhere,
    PasswordVariant,
)
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes import Verdict
from mailauth.remedies import HASH_NEW, RELOAD, remedy
from mailauth.rules import passdb_case
from mailauth.stores.store import Outcome

_ENDED = " It has the byte 0: Dovecot takes only what stands before that, and IMAP's LOGIN cannot send it."


def _whose(lookups: LookedUp) -> str:
    """A query that returns another user's row, by the name that it returns; what stands twice."""
    other = sorted(
        {
            name
            for answer in lookups.answers
            for field, name in answer.restricts
            if field == "user"
            and name.partition("@")[0].casefold() != answer.user.partition("@")[0].casefold()
        }
    )
    again = [f"{answer.place} (line {answer.again})" for answer in lookups.answers if answer.again]
    twice = (
        f" The name stands once more after {', '.join(again)}, and that line does not count." if again else ""
    )
    twice += "".join(f" {one.passdb}: {one.several}." for one in lookups.answers if one.several)
    return twice + (
        f" The entry returns another name, and so may be another user's: {', '.join(other)}." if other else ""
    )


@rule(
    "PASS001",
    "The password is wrong",
    Severity.BLOCKS_LOGIN,
    yields_to=("HASH036", "AUTH024"),
    bears=Bears.ANSWER,
    asks=Question.PASSWORD,
)
def wrong_password(
    configured: Configured,
    lookups: LookedUp,
    check: PasswordCheck,
    variant: PasswordVariant,
    elsewhere: PasswordElsewhere | None,
    given: PasswordBytes | None,
) -> Problem | None:
    if variant.change is not None or any(verdict is not Verdict.MISMATCH for verdict in check.verdicts):
        return None
    if lookups.wrong and lookups.wrong.lets_in:
        return None  # any password logs in: HASH023
    denied = any(answer.outcome is Outcome.DENIED for answer in lookups.answers)
    if denied and elsewhere and elsewhere.passdbs:
        return None  # what denies the user keeps the passdb that takes the password from being asked
    other, mend = _elsewhere(configured, check, elsewhere)
    if not other:
        mend = _of_system(lookups) or mend
    return Problem(
        says=(
            "The stored hash was verified with all the memory that it takes: the password given is not the"
            " one that was hashed." + (_ENDED if given and given.ended else "") + _whose(lookups) + other
        ),
        because=(lookups, check, variant, elsewhere) if elsewhere and other else (lookups, check, variant),
        certainty=Certainty.PROVEN,
        remedy=mend,
    )


def _of_system(lookups: LookedUp) -> Remedy | None:
    """How a password is set where the system has it: crypt(3) does not take what hash new prints."""
    have = {answer.driver for answer in lookups.answers if answer.outcome is not Outcome.UNKNOWN_USER}
    if not have & OF_THE_SYSTEM:
        return None
    if have <= OF_THE_SYSTEM:
        return Remedy(summary="Use the right password, or set a new one: passwd USER.")
    return remedy(
        summary="Use the right password, or set a new one: passwd USER for the account of the system, and"
        " what mailauth hash new prints for the other passdb.",
        commands=(HASH_NEW,),
    )


def _elsewhere(
    configured: Configured, check: PasswordCheck, elsewhere: PasswordElsewhere | None
) -> tuple[str, Remedy]:
    """A passdb that has the hash of this very password, and is not asked."""
    if not elsewhere or not elsewhere.passdbs or not check.end or not check.end.steps:
        summary = "Use the right password, or set a new one."
        return "", remedy(summary, commands=(HASH_NEW,))
    one, steps = elsewhere.passdbs[0], check.end.steps
    passdbs = {passdb.label: passdb for passdb in configured.config.passdbs}
    own = next((step for step in steps if step.passdb == one.passdb), None)
    stop = own or next((step for step in reversed(steps) if step.number == check.end.decided_by), steps[-1])
    leads = passdb_case.setting(passdbs[stop.passdb], stop)
    why = f": {stop.why}" if own else f", since {stop.passdb} ends the login{f': {leads}' if leads else ''}"
    says = f" {one.passdb} ({one.place}) has a hash of this very password, and is not asked{why}."
    return says, remedy(
        summary=f"Use the password of the passdb that is asked, or correct {leads or 'what stops there'}.",
        commands=(RELOAD,),
    )
