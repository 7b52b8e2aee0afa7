"""The stored string names a scheme that this Dovecot does not have.

What you see
    Every password fails.  The log says "Unknown scheme ...".
Why
    The name in braces is another program's spelling ({BCRYPT}), a newer Dovecot's ({ARGON2} is known
    to 2.4 only), or needs a library that this build or this machine lacks.
How we know
    The name is looked up among the schemes of this version.
What to do
    Store the string under the name that this Dovecot knows, if there is one; else set the password
    again.  doveadm pw -l lists the names.
"""

from mailauth.evidence import Configured, StoredHash
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes import Verdict


@rule("HASH003", "The scheme of the stored string is unknown here", Severity.BLOCKS_LOGIN)
def unknown_scheme(configured: Configured, stored: StoredHash) -> Problem | None:
    if stored.refused_as is not Verdict.UNSUPPORTED:
        return None
    return Problem(
        says=f"Dovecot {configured.version} cannot verify it: {stored.flaw}.",
        because=(stored, configured),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary="Store the string under a name that this Dovecot knows, or set the password again.",
            commands=("doveadm pw -l", "mailauth hash show", "mailauth hash new"),
        ),
    )
