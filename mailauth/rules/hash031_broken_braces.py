"""The braces are wrong: [MD5-CRYPT], {ARGON2ID without its }, or another half of a pair.

What you see
    Every password fails. Dovecot sees no scheme, and the default one decides: the log says
    "Password mismatch" or "Not a valid MD5-CRYPT ...".
Why
    An import, an editor or a template language removed a brace, or wrote another one.
How we know
    With whole braces it is a sound hash, or the password given.
What to do
    Correct the braces: mailauth hash show prints the repaired string, and the password stays the
    same. If there are braces around a plaintext password, remove them.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH031", "The braces around the scheme are broken", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def broken_braces(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.BRACES)
    return None if found is None else hash_case.around(stored, found)
