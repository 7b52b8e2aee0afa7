"""The hash lost the case of its letters.

What you see
    Every password fails.  The log says "Password mismatch", as for a wrong password.
Why
    LOWER() or UPPER() in a query, a view or an import was meant for the user's name and took the hash
    too.  Argon2, bcrypt and crypt(3) write bytes as capitals and small letters, and each counts.
How we know
    The digest has letters of one case only; of 43 characters that happens to one hash in five
    thousand million.
What to do
    Remove the function where it is applied to the hash.  The stored hash is lost: set
    the password again.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH033", "The hash lost the case of its letters", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def case_lost(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.ONE_CASE)
    if found is None:
        return None
    return hash_case.problem(
        stored,
        found,
        f"The stored string ({stored.length} bytes) cannot come from hashing: {found.detail}.",
        careful="Look first whether the password query or a view changes the case: LOWER, UPPER.",
    )
