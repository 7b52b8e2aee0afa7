"""The password is right except for upper and lower case.

What you see
    The login fails.  The log says "Password mismatch".
Why
    Caps Lock was on, or a telephone's keyboard began with a capital, when the password was typed: now,
    or on the day when it was set.
How we know
    The stored hash was verified with the letters in the other case, and that matches.
What to do
    Type it as it was set; check Caps Lock.
"""

from mailauth.evidence import PasswordVariant
from mailauth.finding import Bears, Problem, Remedy, Severity, rule
from mailauth.hashes.variants import Change
from mailauth.rules.variant_case import right_but_for


@rule(
    "PASS002",
    "The password is right except for upper and lower case",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def other_case(variant: PasswordVariant) -> Problem | None:
    return right_but_for(
        variant,
        Change.CASE,
        Remedy(summary="Give the password as it was set: check Caps Lock and the first letter."),
    )
