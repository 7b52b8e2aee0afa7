"""The Argon2 salt or tag is too short for libsodium.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password.
Why
    libsodium wants a salt of 8 bytes or more and a tag of 16 or more. Other libraries take a salt
    of any length and a tag of 4 bytes.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; salt and tag are whole base64, and too short. Source: validate_inputs()
    of libsodium 1.0.18.
What to do
    Set the user's password again. Use a salt of 16 bytes and a tag of 32, as is usual.
"""

from mailauth.evidence import StoredColumn, StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH017",
    "The Argon2 salt or tag is too short for libsodium",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def argon2_short(stored: StoredHash, column: StoredColumn) -> Problem | None:
    found = hash_case.damage(stored, Kind.ARGON2_SHORT)
    if found is None or hash_case.column_cut_it(stored, column):
        return None
    return hash_case.problem(stored, found, f"The stored hash has {found.detail}.", column)
