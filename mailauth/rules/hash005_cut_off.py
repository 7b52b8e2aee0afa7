"""The stored hash is shorter than a whole one.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password.
Why
    The end is missing: it was copied by hand, or cut by a form, a script, an export, or a column
    that was once too narrow. The missing part cannot be computed. In a passwd-file the rest can be in the
    next line, if an editor or a mail program wrapped it.
How we know
    The string is read by the rules of this Dovecot's version, which are tested against the real
    doveadm of 2.3 and 2.4; the place where it ends is named. The database's schema, if there is
    one, does not have a column of just that width (that would be HASH006).
What to do
    Set the user's password again. Then look for others that are too short: without the {SCHEME}, a whole
    Argon2 hash has 97 characters or more, bcrypt 60, SHA512-CRYPT 106.
"""

from mailauth.evidence import StoredColumn, StoredHash
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import hash_case


@rule("HASH005", "The stored hash was cut off", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def cut_off(stored: StoredHash, column: StoredColumn) -> Problem | None:
    found = hash_case.damage(stored, Kind.CUT)
    if found is None or hash_case.column_cut_it(stored, column):
        return None
    if stored.goes_on:
        return Problem(
            says=f"Of the hash {stored.length} bytes are there: a line break is in it, and line"
            f" {stored.goes_on} has the rest.",
            because=(stored, column),
            certainty=Certainty.LIKELY,
            remedy=Remedy(
                summary=f"Take the line break before line {stored.goes_on} away: the hash is whole."
            ),
        )
    if stored.behind:
        return hash_case.problem(stored, found, f"Of the hash Dovecot reads {stored.length} bytes.", column)
    where = "" if column.driver is None else f" ({column.seen})"
    return hash_case.problem(
        stored, found, f"Of the hash {stored.length} bytes are there: {found.detail}{where}.", column
    )
