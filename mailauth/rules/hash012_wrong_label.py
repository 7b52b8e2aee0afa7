"""The scheme in braces is not the one that made the hash.

What you see
    Every password fails. For {CRYPT} before Argon2 the log says only "Password mismatch"; for
    {SHA512} before $6$ "Input isn't valid base64 encoded data"; for {BLF-CRYPT} before $6$
    "Password is not blowfish password".
Why
    The names are alike and mean different things: {SHA512} is a bare digest in base64,
    {SHA512-CRYPT} is $6$; {CRYPT} is what the libc has, and no libc has Argon2.
How we know
    The hash's own beginning, or its length, says which scheme made it, and under that name it is
    sound.
What to do
    Store it under the right name: mailauth hash show prints the repaired string, and the password stays the
    same. Then correct what writes it, often a setting of the panel or a CONCAT in the query.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH012", "The hash is labelled with another scheme's name", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def wrong_label(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.MISLABELLED)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"{found.detail[0].upper()}{found.detail[1:]}.")
