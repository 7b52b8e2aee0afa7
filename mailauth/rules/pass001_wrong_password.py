"""The password given is not the one that was hashed.

What you see
    The login fails.  The log says "Password mismatch", letter for letter as for a lack of memory.
Why
    It is another password.
How we know
    The stored hash was verified with all the memory that it takes, and says no; so it says to the near
    variants of the password, as far as there was time for them.
What to do
    Use the right password, or set a new one.
"""

from mailauth.evidence import LookedUp, PasswordCheck, PasswordVariant
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes import Verdict


@rule("PASS001", "The password is wrong", Severity.BLOCKS_LOGIN)
def wrong_password(lookups: LookedUp, check: PasswordCheck, variant: PasswordVariant) -> Problem | None:
    if variant.change is not None or any(verdict is not Verdict.MISMATCH for verdict in check.verdicts):
        return None
    return Problem(
        says="The stored hash was verified with all the memory that it takes: the password given is wrong.",
        because=(lookups, check, variant),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Use the right password, or set a new one.", commands=("mailauth hash new",)),
    )
