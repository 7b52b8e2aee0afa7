"""The stored hash itself logs in as the password.

What you see
    The right password fails, and the text of the hash works: whoever reads the store can log in.
Why
    A hash without {SCHEME} is taken for a plaintext password where the default scheme is PLAIN, as
    on 2.4.0 to 2.4.2 unless it is set; and so is any hash under {PLAIN} or {CLEARTEXT}.
How we know
    The string is clearly a hash, and the scheme that this Dovecot takes it for stores plaintext passwords.
    A string of hex digits may be a password, too: the user's password shows which.
What to do
    Correct the entry as the other finding says. Whoever could read the store could log in: set the
    password again if others could.
"""

from mailauth.evidence import OpenDoors, StoredText
from mailauth.evidence.stored import Opens
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule(
    "HASH024",
    "The stored hash itself logs in as the password",
    Severity.RISK,
    yields_to={"HASH035"},
    bears=Bears.ENTRY,
)
def the_hash_logs_in(doors: OpenDoors, text: StoredText) -> Problem | None:
    found = doors.which(Opens.ITSELF)
    if not found:
        return None
    return Problem(
        says=f"The text of the stored hash logs in: it is {found[0].why}.",
        because=(doors, text),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary="Correct the entry, as the finding about it says: with its scheme it is a hash again.",
            careful="Whoever could read the store could log in: backups and replicas count.",
        ),
    )
