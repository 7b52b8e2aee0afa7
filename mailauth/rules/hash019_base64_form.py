"""The base64 has padding that it must not have, lacks padding that it needs, or has - and _ for + and /.

What you see
    Every password fails. For Argon2 the log says only "Password mismatch"; for digests "Input isn't
    valid base64 encoded data".
Why
    libsodium takes Argon2's salt and tag without padding; Dovecot takes its own digests only with
    it; and neither takes the alphabet of URLs. The bytes are the right ones.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; written as Dovecot writes base64 it is a sound hash.
What to do
    Store the corrected string that mailauth hash show prints; the password stays the same.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH019",
    "Unsupported base64 variant",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def base64_form(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.BASE64)
    if found is None:
        return None
    return hash_case.problem(stored, found, f"The hash is sound, but its base64 is not: {found.detail}.")
