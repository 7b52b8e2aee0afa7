"""Only Dovecot 2.4 knows the name {ARGON2}.

What you see
    Every password fails on 2.3. The log says "Unknown scheme ARGON2".
Why
    OpenLDAP and others write {ARGON2}; Dovecot knows {ARGON2I} and {ARGON2ID}, and {ARGON2} since
    2.4. The hash itself is the same.
How we know
    The name is looked up among the schemes of this version.
What to do
    Store it under the name that both know: the password stays the same.
"""

from mailauth.evidence import Configured, StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH013",
    "The scheme's name is one that only newer Dovecots know",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def newer_name(configured: Configured, stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.NEWER_NAME)
    if found is None:
        return None
    return hash_case.problem(
        stored, found, f"Dovecot {configured.version} does not know the name: {found.detail}.", configured
    )
