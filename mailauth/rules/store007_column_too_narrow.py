"""The password column is too narrow: rows are cut off at exactly its width.

What you see
    Users with a new hash cannot log in, those with an old, shorter one can.
Why
    A column such as VARCHAR(64) was enough for MD5-CRYPT.  MariaDB outside its strict mode, and many
    programs before they write, cut what is longer, without an error.
How we know
    The column's type, as the database says, and rows of exactly that length that are cut off.
What to do
    Widen the column first, then set these users' passwords again: a whole Argon2 hash with its {SCHEME}
    takes 107 characters and more, SHA512-CRYPT 120, SCRAM-SHA-256 136.
"""

from mailauth.evidence import Surveyed, Surveys
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes.damaged import Kind
from mailauth.rules import store_case
from mailauth.stores.rows import HashClass


@rule("STORE007", "The password column is too narrow", Severity.RISK, bears=Bears.ROWS)
def column_too_narrow(surveys: Surveys) -> Problem | None:
    found = [
        (store, cut)
        for store in surveys.stores
        if (cut := [c for c in store.survey.classes if _at_edge(store, c)])
    ]
    if not found:
        return None
    columns = ", ".join(
        f"{store.survey.column.type} of {store.passdb.label}" for store, _ in found if store.survey.column
    )
    return Problem(
        says=f"The password column ({columns}) cuts hashes off: "
        + store_case.told(found, lambda _: "are exactly as long as it is wide, and not whole"),
        because=(surveys,),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary="Widen the column to 255 characters, then set these users' passwords again.",
        ),
    )


def _at_edge(store: Surveyed, one: HashClass) -> bool:
    column = store.survey.column
    cut = one.damage is not None and one.damage.kind is Kind.CUT
    return cut and column is not None and column.width is not None and one.length == column.width
