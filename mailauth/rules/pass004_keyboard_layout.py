"""The password was typed on another keyboard layout.

What you see
    The login fails.  The log says "Password mismatch".
Why
    The keys are the right ones and the layout is not: y for z, a for q, a for Cyrillic letters, other
    signs above the digits.  A rescue system, a remote console or a new computer begins with US.
How we know
    The stored hash was verified with what the same keys give on another layout, and that matches.
What to do
    Choose the layout on which the password was set, or set the password again.
"""

from mailauth.evidence import PasswordVariant
from mailauth.finding import Bears, Problem, Remedy, Severity, rule
from mailauth.hashes.variants import Change
from mailauth.rules.variant_case import right_but_for


@rule(
    "PASS004", "The password was typed on another keyboard layout", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY
)
def keyboard_layout(variant: PasswordVariant) -> Problem | None:
    return right_but_for(
        variant,
        Change.LAYOUT,
        Remedy(summary="Choose the keyboard layout on which the password was set, or set it again."),
    )
