"""The empty password logs in.

What you see
    A login with no password at all succeeds.
Why
    An empty string is stored where the default scheme is PLAIN (2.4.0 to 2.4.2, unless it is set),
    or {PLAIN} with nothing after it; or the hash is that of the empty password, as scripts make it
    when a variable was not set. Measured on 2.3.19.1 and 2.4.1.
How we know
    The empty password is verified against the stored string, if that takes little time.
What to do
    Set the user's password again.
"""

from mailauth.evidence import OpenDoors
from mailauth.evidence.stored import Opens
from mailauth.finding import Bears, Certainty, Problem, Severity, StoreChange, rule
from mailauth.remedies import HASH_NEW, remedy


@rule("HASH025", "The empty password logs in", Severity.RISK, bears=Bears.ENTRY)
def empty_password(doors: OpenDoors) -> Problem | None:
    found = doors.which(Opens.EMPTY)
    if not found:
        return None
    return Problem(
        says=f"The empty password logs in: {found[0].why}.",
        because=(doors,),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Set the user's password again.",
            commands=(HASH_NEW,),
            store=StoreChange.NEW_PASSWORD,
        ),
    )
