"""Rows of the store work, and are weak by today's numbers.

What you see
    Nothing.  Whoever steals the store guesses these passwords sooner than necessary.
Why
    The scheme has no cost against guessing, or its cost is below what is recommended today.
How we know
    Scheme and parameters of every row, against the numbers that mailauth hash show cites.
What to do
    New hashes need the passwords: rehash at the next login with mailauth migrate on-login, which writes
    passwd-files and databases.  A directory hashes a new password itself: set a stronger scheme there.
"""

from mailauth.dovecot.authconfig import FileSource, SqlSource
from mailauth.evidence import Surveyed, Surveys
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes.strength import Level
from mailauth.remedies import ON_LOGIN, remedy
from mailauth.rules import store_case
from mailauth.stores.rows import HashClass


@rule("STORE006", "Rows of the store are weak by today's numbers", Severity.RISK, bears=Bears.ROWS)
def weak_by_todays_numbers(surveys: Surveys) -> Problem | None:
    found = store_case.which(surveys, _weak)
    if not found:
        return None
    return Problem(
        says="Rows that are weak by today's numbers: " + store_case.told(found, _why),
        because=(surveys,),
        certainty=Certainty.LIKELY,
        remedy=_remedy([store for store, _ in found]),
        severity=None if any(_poor(one) for _, classes in found for one in classes) else Severity.NOTE,
    )


def _remedy(stores: list[Surveyed]) -> Remedy:
    """On-login needs a name that may write to a directory, and programs that bind may not know its hashes."""
    written = any(isinstance(one.passdb.source, FileSource | SqlSource) for one in stores)
    summary = "Make new hashes when their users log in." if written else ""
    if any(one.passdb.driver == "ldap" for one in stores):
        summary += f"{' ' if summary else ''}{_OF_A_DIRECTORY}"
    if any(one.of_the_system for one in stores):
        summary += f"{' ' if summary else ''}{_OF_THE_SYSTEM}"
    return remedy(summary=summary or _BY_HAND, commands=(ON_LOGIN,) if written else ())


_OF_A_DIRECTORY = (
    "Let the directory hash new passwords with a stronger scheme that Dovecot knows, too, and have the users"
    " change theirs there; or, where no program binds as the users, make new hashes when they log in:"
    " mailauth migrate on-login enable, with the --bind-dn of who may write."
)
_OF_THE_SYSTEM = (
    "Have the owners of these accounts change their passwords by passwd, which makes yescrypt hashes."
)
_BY_HAND = "Make new hashes with mailauth hash new, and put them in place of these."


def _poor(one: HashClass) -> bool:
    """The scheme itself resists guessing little; else it is only below today's numbers."""
    return one.hash is not None and one.hash.strength.level in (Level.POOR, Level.NONE)


def _weak(one: HashClass) -> bool:
    parsed = one.hash if one.damage is None else None
    return parsed is not None and parsed.strength.level is not Level.GOOD


def _why(one: HashClass) -> str:
    assert one.hash
    return f"{one.scheme} ({one.hash.strength.says})"
