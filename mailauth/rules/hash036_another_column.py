"""The password query returns another column than the password's.

What you see
    Every password fails, the right one too.  The log says "Password mismatch".
Why
    The query names the wrong column: the row's number, the address, a date.  Or a table was changed, and the
    query was not.  Or what was meant as a column's name is a text: for MariaDB whatever stands between "",
    for SQLite a name between "" that no column has, for all of them what stands between ''.
How we know
    The returned value is a number, a date, an address or the user's own name, its column is not named like a
    password, and another column of the same row has a string that a password can match.  Or the query has a
    text in quotes in the password's place, and the value returned is that text.
What to do
    Have the query return that column as password.
"""

from mailauth.evidence import Made, PasswordCheck, StoredHash
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.hashes import Verdict


@rule(
    "HASH036",
    "The query returns another column than the password's",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def another_column(stored: StoredHash, check: PasswordCheck | None) -> Problem | None:
    made = stored.made
    if made is not None and made.constant:
        return _constant(stored, made)
    if made is None or not made.instead or (check and Verdict.MATCH in check.verdicts):
        return None
    column = made.whole[0]
    return Problem(
        says=f"The password query ({made.place}) returns {made.expression} as password, a string of"
        f" {stored.length} bytes that is a number, a date, an address or the user's name; {column} of the"
        " same row holds one that a password can match.",
        because=(stored,),
        certainty=Certainty.LIKELY,
        remedy=Remedy(summary=f"Have the query return {column} as password."),
    )


def _constant(stored: StoredHash, made: Made) -> Problem:
    """The same text for everybody."""
    says = f"The password query ({made.place}) returns {made.expression} as password: a text in quotes, the"
    says += " same for every user, and no column."
    summary = "Have the query return the password's column, without quotes around its name."
    if made.whole:
        says += f" The column {made.whole[0]} of the same row has a string that a password can match."
        summary = f"Have the query return {made.whole[0]} as password, without quotes around it."
    return Problem(
        says=says,
        because=(stored,),
        certainty=Certainty.PROVEN if made.whole else Certainty.LIKELY,
        remedy=Remedy(summary=summary),
    )
