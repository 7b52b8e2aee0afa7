"""libsodium has Argon2i and Argon2id, and no Argon2d.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password.
Why
    The argon2 command makes Argon2i, with -id Argon2id, and with -d Argon2d; some libraries also let one
    choose the type. Dovecot verifies through libsodium.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the hash names its own type.
What to do
    Set the user's password again. Make the new hash with -id, or with doveadm pw -s ARGON2ID.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH015", "The hash is Argon2d, which Dovecot cannot verify", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def argon2d(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.ARGON2D)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"The stored hash is {found.detail}.")
