"""There is a blank, a line end or the padding of a CHAR column before or after the hash.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password. The string
    looks right in every tool that shows it.
Why
    A file was read with its newline, a CSV with CR LF, or the column is CHAR, which PostgreSQL
    fills with blanks up to its width (MariaDB and MySQL return them only with
    PAD_CHAR_TO_FULL_LENGTH in sql_mode). Argon2, bcrypt and crypt compare the whole string, and no
    password gives a hash with a blank. (Base64 digests such as SSHA still work; a passwd-file may have
    one CR.)  A hash that a mail program or a form wrapped has a line break in it.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; without the blanks it is a sound hash.
What to do
    Remove it: mailauth hash show prints the repaired string, and the password stays the same. In a
    CHAR column that lasts only once the column is VARCHAR: ALTER TABLE ... ALTER COLUMN ... TYPE
    VARCHAR(255), then UPDATE ... SET password = RTRIM(password).
"""

from mailauth.dovecot.authconfig import SqlSource
from mailauth.evidence import Configured, StoredHash
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH007", "Blanks or line ends surround the stored hash", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def blanks_at_the_edges(stored: StoredHash, configured: Configured | None) -> Problem | None:
    found = hash_case.damage(stored, Kind.BLANKS, Kind.PADDED, Kind.WRAPPED)
    if found is None:
        return None
    where = "this" if found.kind is Kind.WRAPPED else "its edges"
    padded = found.kind is Kind.PADDED and configured is not None and _by_postgres(stored, configured)
    return hash_case.problem(
        stored,
        found,
        f"The hash is sound except for {where}: {found.detail}.",
        careful=_CHAR if padded else "",
        by_hand=padded,
    )


def _by_postgres(stored: StoredHash, configured: Configured) -> bool:
    sources = [one.source for one in configured.config.passdbs if one.number == stored.passdb]
    return any(isinstance(one, SqlSource) and one.driver == "pgsql" for one in sources)


_CHAR = (
    "A CHAR column of PostgreSQL fills it up again: first ALTER TABLE ... ALTER COLUMN ... TYPE VARCHAR(255)."
)
