"""The password has a character that Dovecot refuses before it compares anything.

What you see
    The right password fails, always.  The log says "Attempted login with password having illegal chars".
Why
    Dovecot's processes hand passwords on in lines of fields; so it refuses a password with a tab, a line
    end or the byte 1 in it, whatever the stored hash says.
    Source: password_has_illegal_chars(), Dovecot 2.3.13 to 2.4.4 src/auth/auth-request.c.
How we know
    The given password matches the stored hash, and has such a character.
What to do
    Set a password without it.  Where it came by pasting, or from echo, leave it out.
"""

from mailauth.evidence import PasswordBytes, PasswordCheck
from mailauth.finding import Bears, Certainty, Problem, Severity, StoreChange, rule
from mailauth.hashes import Verdict
from mailauth.remedies import HASH_NEW, remedy


@rule(
    "PASS010", "The password has a character that Dovecot refuses", Severity.BLOCKS_LOGIN, bears=Bears.NOTHING
)
def refused_characters(check: PasswordCheck, given: PasswordBytes) -> Problem | None:
    if not given.refused or Verdict.MATCH not in check.verdicts:
        return None
    return Problem(
        says=(
            "The password given matches the stored hash, but has a tab, a line end or the byte 1 in it, and"
            " Dovecot refuses every such password."
        ),
        because=(check, given),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Set a password without tabs and line ends.",
            commands=(HASH_NEW,),
            store=StoreChange.NEW_PASSWORD,
        ),
    )
