"""phpass, apr1, Django, WordPress, MySQL and others write hashes in their own formats.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password. Or it says
    "Unknown scheme".
Why
    Each of them has its own format. Some contain the same hash as one of Dovecot's schemes, written
    differently, and can be converted without the password; others contain one that Dovecot does
    not have.
How we know
    The format is recognised by its own marks (docs/hashes.md lists them).
What to do
    Where it can be converted, mailauth hash convert prints Dovecot's form; else set the password
    again.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH030",
    "The hash is in another software's format, which Dovecot does not read",
    Severity.BLOCKS_LOGIN,
    yields_to=("HASH036",),
    bears=Bears.ENTRY,
)
def foreign_format(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.FOREIGN_FORMAT)
    if found is None:
        return None
    return hash_case.problem(
        stored,
        found,
        f"The stored string is not Dovecot's: {found.detail}.",
        mended="Store it in Dovecot's form; the password stays the same.",
    )
