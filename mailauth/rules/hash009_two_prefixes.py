"""The hash has two schemes before it.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password.
Why
    A tool put {SCHEME} before a string that had one: doveadm pw prints it with its scheme, and many
    panels and queries add their own (CONCAT('{CRYPT}', password)). Dovecot takes the first for the
    scheme and the second for a part of the hash.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; without the first scheme it is a sound hash.
What to do
    Remove the first one: mailauth hash show prints the repaired string, and the password stays the
    same. Let only one tool write it.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH009", "The stored hash has two {SCHEME} prefixes", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def two_prefixes(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.TWO_PREFIXES)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"The hash is sound except for this: {found.detail}.")
