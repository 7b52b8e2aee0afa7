"""The scheme has the name that another program gives it, such as {BCRYPT}, {SHA-256} or {noop}.

What you see
    Every password fails. The log says "Unknown scheme ...".
Why
    LDAP servers, Spring Security, PHP and panels use their own names. Dovecot calls bcrypt
    BLF-CRYPT.
How we know
    The name is one that such programs write, and under Dovecot's name the hash is sound.
What to do
    Store it under Dovecot's name: the password stays the same. doveadm pw -l lists the names.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH014", "The scheme's name is another program's", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def foreign_name(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.FOREIGN_NAME)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"The name in braces is unknown to Dovecot: {found.detail}.")
