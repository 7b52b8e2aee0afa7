"""The cost is out of range, or the salt ends in a character that bcrypt never writes.

What you see
    Every password fails. The log says "crypt_blowfish_rn failed" or only "Password mismatch".
Why
    The cost has two digits from 04 to 31. The salt's 22 characters hold 128 bits, so that the last
    is one of . O e u; libraries that take any other write a hash that Dovecot compares and never
    finds equal.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the place that is refused is named.
What to do
    Where only the salt's last character is another, mailauth hash show prints the repaired string;
    else set the password again.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH021", "bcrypt never writes such a salt or cost", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def bcrypt_salt(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.BCRYPT_SALT)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"The stored bcrypt hash can match nothing: {found.detail}.")
