r"""The hash was written in another notation: base64, hex, HTML's or a URL's escapes, other characters.

What you see
    Every password fails.  The log says "Password mismatch", as for a wrong password.
Why
    A form or an export wrote & # 3 6 ; or %24 for $, a program stored base64, hex, JSON or b'...' of
    the string, a text processor put in characters of no width.  A bytea column of PostgreSQL comes to
    Dovecot as \x and hex (the text of its values; Dovecot asks for no other).
How we know
    Decoded, the string is a sound hash of a scheme that this Dovecot has.
What to do
    Store the decoded hash; the password stays the same.  Where the column is bytea, only
    another type helps: ALTER TABLE ... TYPE text USING convert_from(password, 'UTF8').
"""

from mailauth.evidence import StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH032", "The hash was written in another notation", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def another_notation(stored: StoredHash) -> Problem | None:
    found = hash_case.damage(stored, Kind.NOTATION, Kind.BYTEA)
    if found is None:
        return None
    return hash_case.problem(
        stored,
        found,
        f"The stored string ({stored.length} bytes) is a hash in another notation: {found.detail}.",
        careful="A bytea column gives the same again: make it text, ALTER TABLE ... ALTER COLUMN ... TYPE"
        " text USING convert_from(..., 'UTF8')."
        if found.kind is Kind.BYTEA
        else "",
    )
