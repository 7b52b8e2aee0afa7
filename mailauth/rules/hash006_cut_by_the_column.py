"""The hash was cut off by a column that is too narrow for it.

What you see
    Every password fails. The log says "Password mismatch", as for a wrong password. It affects all users
    whose password was set since the hashes became longer.
Why
    The column takes fewer characters than the hash has: {ARGON2ID} has 107 with libsodium's usual
    parameters, {BLF-CRYPT} 71. MariaDB and MySQL cut silently unless sql_mode is strict, and a cast
    or an import does so in every database. (SQLite itself never cuts; what was imported into it may
    be cut.)
How we know
    The schema says that the column takes exactly as many characters as the stored string has.
What to do
    Widen the column first, then set the passwords again: the missing part cannot be computed. Every
    entry of exactly that length was cut.
"""

from mailauth.evidence import StoredColumn, StoredHash
from mailauth.finding import Bears, Certainty, Problem, Severity, StoreChange, rule
from mailauth.hashes.damaged import Kind
from mailauth.remedies import HASH_NEW, remedy
from mailauth.rules import hash_case


@rule("HASH006", "The column is too narrow, and cut the hash off", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def cut_by_the_column(stored: StoredHash, column: StoredColumn) -> Problem | None:
    found = hash_case.damage(stored, Kind.CUT, Kind.ARGON2_SHORT)
    if found is None or not hash_case.column_cut_it(stored, column):
        return None
    first = f"First: {column.widen}; then set" if column.widen else "Set"
    return Problem(
        says=(
            f"{column.seen}, and the stored string has just {stored.length} characters of a longer"
            f" {stored.scheme} hash: {found.detail}."
        ),
        because=(stored, column),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary=f"{first} the password again, for every user whose entry has {stored.length} characters.",
            commands=(HASH_NEW,),
            careful="ALTER TABLE locks the table; set the passwords again only after it.",
            store=StoreChange.NEW_PASSWORD,
            by_hand=bool(column.widen),
        ),
    )
