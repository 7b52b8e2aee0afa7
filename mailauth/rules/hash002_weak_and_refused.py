"""The scheme is weak, and this Dovecot refuses it.

What you see
    After the upgrade to 2.4 users with old hashes cannot log in.  The log says "Weak password scheme
    ... used and refused".  doveadm pw -t says "verified".
Why
    Dovecot 2.4 refuses MD5, MD5-CRYPT, DES-CRYPT, SMD5, LDAP-MD5, PLAIN-MD4, PLAIN-MD5 and HMAC-MD5,
    and DES and $1$ inside CRYPT, unless auth_allow_weak_schemes=yes.  doveadm pw always takes them.
How we know
    The scheme of the stored string, the version, and the setting, as doveconf reports it.
What to do
    Give the user a new password with a strong scheme.  Until all have one, allow weak schemes.
"""

from mailauth.evidence import Configured, StoredHash
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.remedies import RELOAD, Setting, remedy
from mailauth.rules import hash_case


@rule("HASH002", "The scheme is weak and this Dovecot refuses it", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def weak_and_refused(configured: Configured, stored: StoredHash) -> Problem | None:
    if hash_case.damage(stored, Kind.WEAK) is None:
        return None
    return Problem(
        says=f"Dovecot {configured.version} refuses it: {stored.flaw}.",
        because=(stored, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Allow weak schemes until every user has a new hash.",
            config={"2.3": [], "2.4": [Setting("auth_allow_weak_schemes", "yes")]},
            file=configured.file,
            commands=(RELOAD,),
            careful="Whoever steals the store finds weakly hashed passwords quickly: migrate them.",
        ),
    )
