"""The stored string is damaged or foreign: no password can match it.

What you see
    Every password fails.  The log says "Password mismatch", or an error about the stored string.
Why
    A hash that was cut off, edited, quoted, padded, or made by software with other rules does not
    satisfy the parser of its scheme.  For Argon2 and crypt Dovecot does not log that: the library
    says "no", and Dovecot takes it for a wrong password.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the first place where it breaks them is named.
What to do
    Set the user's password again, or mend the string: mailauth hash show tells where it is broken,
    and gives the mended string where nothing is lost by mending.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes import Verdict


@rule("HASH001", "The stored string can match no password", Severity.BLOCKS_LOGIN)
def never_matches(stored: StoredHash) -> Problem | None:
    if stored.refused_as not in (Verdict.MISMATCH, Verdict.MALFORMED) or stored.bare_as:
        return None
    return Problem(
        says=f"The stored string ({stored.length} bytes) is no {stored.scheme} hash: {stored.flaw}.",
        because=(stored,),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary="Set the user's password again, or mend the stored string.",
            commands=("mailauth hash show", "mailauth hash new"),
        ),
    )
