"""v=16, or no v at all, means Argon2 1.0; libsodium takes only 1.3 (v=19).

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password.
Why
    Version 1.3 of Argon2 computes another hash from the same password. Old libraries, and the
    argon2 command with -v 10, make version 1.0.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the hash names its own version. Source: argon2_decode_string() of
    libsodium 1.0.18.
What to do
    Set the user's password again.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH016", "The Argon2 hash has the old version 1.0", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def argon2_old_version(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.ARGON2_VERSION)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"The stored hash has {found.detail}.")
