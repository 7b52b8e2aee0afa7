"""The stored hash has no {SCHEME} before it, and the default scheme takes it for something else.

What you see
    Every password fails, for the users whose hash has no prefix.  The log says "Password mismatch", or
    "Not a valid MD5-CRYPT or PLAIN-MD5 password".  Often it begins with an upgrade of Dovecot, or of
    the software that writes the hashes.
Why
    Without a prefix the passdb's default scheme decides what the string is: MD5 for SQL and CRYPT for
    passwd-file on 2.3, PLAIN on 2.4.0 to 2.4.2, CRYPT since.  A bcrypt hash taken for PLAIN matches
    only itself: whoever reads the store can log in with the hash string as the password.
How we know
    The string looks like a hash of another scheme than the default one, as doveconf reports it.  Hex digits
    alone can be several (32 are MD5, NT or LM); the right password, given to mailauth, decides which.
What to do
    Store the hashes with their scheme in front, which no default can change.  Or set the passdb's
    default scheme: default_pass_scheme in 2.3's SQL file, default_password_scheme in 2.4's passdb.
"""

from mailauth.evidence import Configured, StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.hashes.schemes import named
from mailauth.rules import hash_case


@rule(
    "HASH004",
    "The stored hash has no {SCHEME} and is taken for something else",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF006", "HASH036"),
    bears=Bears.ENTRY,
)
def no_prefix(configured: Configured, stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.NO_PREFIX)
    if found is None:
        return None
    taken = f"by the default scheme Dovecot {configured.version} takes it for {stored.scheme}"
    if not found.scheme:
        return hash_case.problem(
            stored,
            found,
            f"The stored string has no prefix, and {taken}; it is another hash: {found.detail}.",
            configured,
            lost=_WHICH,
        )
    return hash_case.problem(
        stored,
        found,
        f"The stored string is a {found.scheme} hash without a prefix; {taken} ({found.detail}).",
        configured,
        mended=f"Store it as {{{found.scheme}}} followed by the string that is there now.",
        lost=f"Set the user's password again{_weak(found.scheme, configured)}.",
        careful="Changing the default scheme instead changes how every bare string of this passdb is taken.",
    )


def _weak(name: str, configured: Configured) -> str:
    scheme = named(name)
    refused = scheme and scheme.weak and configured.version.dialect == "2.4" and not configured.allow_weak
    return f": as {{{name}}} this Dovecot refuses it as weak" if refused else ""


_WHICH = (
    "Run this again with the right password, which decides what it is; or name the program that wrote it:"
    " mailauth hash convert --from, for all rows mailauth migrate plan --prefix --origin."
)
