"""Only the beginning of the password was hashed.

What you see
    A long password fails.  Its beginning alone works.  The log says "Password mismatch".
Why
    What set the password cut it before it hashed it: a shell took its first word for all of it, or # ; &
    for the end; a form's maxlength, a column's width, or a library that keeps to bcrypt's 72 bytes whatever
    the scheme is.  Or something was typed after it.
How we know
    The stored hash was verified with the beginning of the password, and that matches.
What to do
    Set the password again with a program that does not cut it.
"""

from mailauth.evidence import PasswordVariant
from mailauth.finding import Bears, Certainty, Problem, Severity, StoreChange, rule
from mailauth.hashes.variants import Change
from mailauth.remedies import HASH_NEW, remedy


@rule("PASS009", "Only the beginning of the password was hashed", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def only_the_beginning(variant: PasswordVariant) -> Problem | None:
    if variant.change is not Change.CUT:
        return None
    return Problem(
        says=f"The password given is wrong; {variant.how} it is right: that is what was hashed.",
        because=(variant,),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Set the password again, with a program that does not cut it.",
            commands=(HASH_NEW,),
            store=StoreChange.NEW_PASSWORD,
        ),
    )
