"""Rows of the store work, and are weak by today's numbers.

What you see
    Nothing.  Whoever steals the store guesses these passwords sooner than necessary.
Why
    The scheme has no cost against guessing, or its cost is below what is recommended today.
How we know
    Scheme and parameters of every row, against the numbers that mailauth hash show cites.
What to do
    New hashes need the passwords: rehash at the next login with mailauth migrate on-login.
"""

from mailauth.evidence import Surveys
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
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
        remedy=remedy(summary="Make new hashes when their users log in.", commands=(ON_LOGIN,)),
        severity=None if any(_poor(one) for _, classes in found for one in classes) else Severity.NOTE,
    )


def _poor(one: HashClass) -> bool:
    """The scheme itself resists guessing little; else it is only below today's numbers."""
    return one.hash is not None and one.hash.strength.level in (Level.POOR, Level.NONE)


def _weak(one: HashClass) -> bool:
    parsed = one.hash if one.damage is None else None
    return parsed is not None and parsed.strength.level is not Level.GOOD


def _why(one: HashClass) -> str:
    assert one.hash
    return f"{one.scheme} ({one.hash.strength.says})"
