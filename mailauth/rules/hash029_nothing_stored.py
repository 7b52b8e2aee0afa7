"""The entry has an empty password.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password.
Why
    The row or line was made without a password, or a script stored what a failed command printed.
    An empty string is no NULL: Dovecot compares with it. For PLAIN it is the empty password
    (HASH025).
How we know
    The string is empty, or ends with the scheme.
What to do
    Set the user's password again.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH029", "Nothing is stored, or a scheme and nothing after it", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY
)
def nothing_stored(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.EMPTY)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"{found.detail[0].upper()}{found.detail[1:]}.")
