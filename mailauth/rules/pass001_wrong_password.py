"""The password given is not the one that was hashed.

What you see
    The login fails.  The log says "Password mismatch", letter for letter as for a lack of memory.
Why
    It is another password.  Or the hash is: somebody changed it, or it is another user's, and nothing
    in the hash tells that.
How we know
    The stored hash was verified with all the memory that it takes, and says no; so it says to the near
    variants of the password, as far as there was time for them.
What to do
    Use the right password, or set a new one.
"""

from mailauth.evidence import LookedUp, PasswordCheck, PasswordVariant
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes import Verdict


def _whose(lookups: LookedUp) -> str:
    """A query that returns another user's row, by the name that it returns; a name that stands twice."""
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
    return twice + (
        f" The entry returns another name, and so may be another user's: {', '.join(other)}." if other else ""
    )


@rule("PASS001", "The password is wrong", Severity.BLOCKS_LOGIN)
def wrong_password(lookups: LookedUp, check: PasswordCheck, variant: PasswordVariant) -> Problem | None:
    if variant.change is not None or any(verdict is not Verdict.MISMATCH for verdict in check.verdicts):
        return None
    if lookups.wrong and lookups.wrong.lets_in:
        return None  # any password logs in: HASH023
    return Problem(
        says=(
            "The stored hash was verified with all the memory that it takes: the password given is not the"
            " one that was hashed." + _whose(lookups)
        ),
        because=(lookups, check, variant),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Use the right password, or set a new one.", commands=("mailauth hash new",)),
    )
