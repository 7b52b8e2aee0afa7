"""The password is right except for blanks or characters that cannot be seen.

What you see
    The login fails.  The log says "Password mismatch".
Why
    A blank, a tab, a line end, a no-break blank or a zero-width character came along when the password
    was copied and pasted: into the client now, or into the form on the day when it was set.
How we know
    The stored hash was verified with such a character less, or more, and that matches.
What to do
    Type the password instead of pasting it; or set it again.
"""

from mailauth.evidence import PasswordVariant
from mailauth.finding import Bears, Problem, Remedy, Severity, rule
from mailauth.hashes.variants import Change
from mailauth.rules.variant_case import right_but_for


@rule(
    "PASS003",
    "The password is right except for blanks or invisible characters",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def blanks(variant: PasswordVariant) -> Problem | None:
    return right_but_for(
        variant, Change.BLANKS, Remedy(summary="Type the password instead of pasting it, or set it again.")
    )
