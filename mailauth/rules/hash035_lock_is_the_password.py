"""What locks an account elsewhere is the password here.

What you see
    The account was locked, and whoever types "!" or "*" logs in.  The user's own password fails.
Why
    shadow(5), passwd(1) and panels lock an account by writing "!", "*", "*LK*" or "!" before the hash:
    no hash matches that.  Where the string is taken for PLAIN, as on 2.4.0 to 2.4.2 unless the default
    scheme is set, or by {PLAIN}, Dovecot compares letter by letter, and the lock itself is the password.
How we know
    The string is such a lock, and the scheme that this Dovecot takes it for stores passwords as they are.
    Measured on 2.4.1.
What to do
    Lock the account in a way that Dovecot knows: the field nologin, a row that the query leaves out, or a
    string that no password matches, as {CRYPT}!.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH035", "What locks an account elsewhere is the password here", Severity.RISK, bears=Bears.ENTRY)
def lock_is_the_password(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.LOCKED)
    if found is None or not found.opens:
        return None
    return Problem(
        says=(
            f"The stored string ({stored.length} bytes) is a lock, and as {stored.scheme} it is the password:"
            " whoever types it logs in."
        ),
        because=(stored,),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary="Store {CRYPT}! instead, which no password matches; or set a password.",
            careful="Somebody may have logged in so: doveadm log find shows where the logins are.",
        ),
    )
