"""The hash has a bcrypt variant other than $2a$, $2b$, $2x$ and $2y$.

What you see
    Every password fails. The log says "Password is not blowfish password" for $2$,
    "crypt_blowfish_rn failed" for others.
Why
    $2$ is the first bcrypt, of 1997; other letters are typing errors or private variants. Source:
    flags_by_subtype in Dovecot 2.3.19.1 src/auth/crypt-blowfish.c.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the letter after $2 is none of a, b, x and y.
What to do
    Set the user's password again.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH020", "Unsupported bcrypt variant", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def bcrypt_minor(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.BCRYPT_MINOR)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"The stored hash begins with {found.detail}.")
