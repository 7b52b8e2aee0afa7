"""The stored string names a scheme that no Dovecot has, or that this version no longer has.

What you see
    Every password fails. The log says "Unknown scheme ...".
Why
    The name in braces is a mistyped one, or was taken out: OTP since 2.4.5. (A newer Dovecot's name
    is HASH013, another program's HASH014.)
How we know
    The name is looked up among the schemes of this version.
What to do
    Store the string under the name that this Dovecot knows, if there is one; else set the password
    again. doveadm pw -l lists the names.
"""

from mailauth.evidence import Configured, StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH003", "The scheme of the stored string is unknown here", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def unknown_scheme(configured: Configured, stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.UNKNOWN)
    if found is None:
        return None
    return hash_case.problem(
        stored, found, f"Dovecot {configured.version} cannot verify it: {found.detail}.", configured
    )
