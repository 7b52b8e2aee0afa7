"""The password is longer than the scheme reads.

What you see
    Logins work; and they work with the beginning of the password alone.
Why
    bcrypt reads 72 bytes of a password, DES-crypt 8 (of each character 7 bits), and what follows is
    ignored without a word.  Whoever knows the beginning is let in.  Some libraries refuse such a password
    since 2025 (Python's bcrypt 5), so that a panel that uses one fails for it.
How we know
    The stored hash was verified with the bytes that the scheme reads, and no more, and that matches.
What to do
    Store the password under a scheme that reads all of it: ARGON2ID or SHA512-CRYPT.
"""

from mailauth.evidence import PasswordPart
from mailauth.finding import Certainty, Problem, Severity, StoreChange, rule
from mailauth.remedies import HASH_NEW, remedy


@rule("PASS006", "The password is longer than the scheme reads", Severity.RISK)
def longer_than_read(part: PasswordPart) -> Problem | None:
    if not part.lets_in:
        return None
    return Problem(
        says=(
            f"{part.scheme} reads the first {part.reads} bytes of a password. The one given is longer, and"
            " its beginning alone is accepted."
        ),
        because=(part,),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Set the password again, under a scheme that reads all of it.",
            commands=(HASH_NEW,),
            careful="Do not rehash it at a login: what is typed then need not be the whole password.",
            store=StoreChange.NEW_PASSWORD,
        ),
    )
