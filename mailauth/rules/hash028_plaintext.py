"""The stored string is no hash but, as it seems, the password itself.

What you see
    Every password fails, the right one too. The log says "Password mismatch", or "Not a valid
    MD5-CRYPT or PLAIN-MD5 password".
Why
    Somebody wrote the password into the store by hand, or a panel is set to cleartext, while the
    scheme, written or the default one, is a hash.
How we know
    The string does not look like a hash: it is too short, or has characters that no hash has. If the
    password is given, the two are compared.
What to do
    Store a hash of it: mailauth hash new. Or put {PLAIN} before it, and the plaintext works. For
    all such rows: mailauth migrate plan --rehash ARGON2ID --origin plain. Whoever read the store knows
    the password: let the user choose another.
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule(
    "HASH028",
    "A password is stored where a hash is expected",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF006", "HASH036"),
    bears=Bears.ENTRY,
)
def plaintext(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.PLAINTEXT)
    if found is None:
        return None
    return hash_case.problem(
        stored,
        found,
        f"The stored string ({stored.length} bytes), taken for {stored.scheme}: {found.detail}.",
        lost=_WAY_BACK,
    )


_WAY_BACK = (
    "Set the user's password again. If the string is the password, {PLAIN} before it makes it count as it is,"
    " and mailauth migrate plan --rehash ARGON2ID --origin plain makes hashes of all such rows."
)
