"""The password is right in another character encoding.

What you see
    Only users with an umlaut, an accent or another character beyond ASCII in the password cannot log in,
    or only from some clients.  The log says "Password mismatch".
Why
    A hash is of bytes.  The same characters are other bytes in Latin-1 than in UTF-8, in Unicode's
    composed than in its decomposed form, and after they were encoded twice; a telephone makes
    typographic quotes of plain ones.  Dovecot compares bytes and converts nothing.
How we know
    The stored hash was verified with the other encoding of the same characters, and that matches.
What to do
    Make what sends the password, and what sets it, use UTF-8 in composed form (NFC), and set it again.
"""

from mailauth.evidence import PasswordVariant
from mailauth.finding import Bears, Problem, Severity, StoreChange, rule
from mailauth.hashes.variants import Change
from mailauth.remedies import HASH_NEW, remedy
from mailauth.rules.variant_case import right_but_for


@rule(
    "PASS005", "The password is right in another character encoding", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY
)
def other_charset(variant: PasswordVariant) -> Problem | None:
    return right_but_for(
        variant,
        Change.CHARSET,
        remedy(
            summary="Set the password again, by way of a program that writes it in UTF-8.",
            commands=(HASH_NEW,),
            careful="A client that encodes it the old way can log in until then, and not after.",
            store=StoreChange.NEW_PASSWORD,
        ),
    )
