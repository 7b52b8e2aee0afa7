"""libsodium wants exactly m, t and p, in this order and within its range.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password.
Why
    Other libraries write t before m, add keyid= or data=, or take fewer than 8 KiB a lane.
    Associated data goes into the hash, and libsodium does not have it.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the first parameter that it does not take is named.
What to do
    Where only the order is wrong, mailauth hash show prints the repaired string; else set the
    password again.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH018",
    "The Argon2 parameters are not written as libsodium requires",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def argon2_parameters(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.ARGON2_PARAMETERS)
    if found is None:
        return None
    return hash_case.problem(
        stored, found, f"The stored Argon2 hash is not as libsodium reads it: {found.detail}."
    )
