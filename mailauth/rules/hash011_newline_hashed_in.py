"""A line end was hashed in with the password.

What you see
    The right password fails, always, and only for this user.  The log says "Password mismatch".
Why
    The hash was made of the password and the line end after it: echo password | argon2, a file that
    ends in a newline, a form that sends one.  No client sends the line end, so no login can match.
How we know
    The stored hash was verified with the password and a line end after it, and that matches.
What to do
    Set the password again, without the line end: echo -n, printf %s, or mailauth hash new.
"""

from mailauth.evidence import PasswordVariant
from mailauth.finding import Bears, Certainty, Problem, Severity, StoreChange, rule
from mailauth.hashes.variants import Change
from mailauth.remedies import HASH_NEW, remedy


@rule("HASH011", "A line end was hashed in with the password", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def newline_hashed_in(variant: PasswordVariant) -> Problem | None:
    if variant.change is not Change.NEWLINE:
        return None
    return Problem(
        says=f"The stored hash ({variant.passdb}) has the password {variant.how}: no client sends that.",
        because=(variant,),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Set the password again, without the line end (echo -n, printf %s).",
            commands=(HASH_NEW,),
            store=StoreChange.NEW_PASSWORD,
        ),
    )
