"""Quotes were stored with the hash.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password. Where the quote
    stands before {SCHEME}, Dovecot sees no scheme at all, and the default one decides.
Why
    An import from CSV, a script that quotes twice, or a copied line of code.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; without the quotes it is a sound hash, or the password given.
What to do
    Remove them: mailauth hash show prints the repaired string, and the password stays the same.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH008", "Quotes surround the stored hash", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def quotes_around(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.QUOTES)
    return None if found is None else hash_case.around(stored, found)
