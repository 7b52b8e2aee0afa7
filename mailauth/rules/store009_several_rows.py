"""Users have several rows in the database: Dovecot accepts none of them.

What you see
    These users cannot log in.  The log says "Password query returned multiple matches".
Why
    The table has no unique key on the name, or its comparison takes names for one that the key does
    not.
How we know
    The database counts the rows of every name, as it compares names.
What to do
    Delete the rows that are not wanted, and make the name a unique key.
"""

from mailauth.evidence import Surveys
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, Trait, rule
from mailauth.rules import store_case


@rule(
    "STORE009",
    "Users have several rows in the database",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ROWS,
    watch="rows",
    traits=[Trait.SOUND_ROWS],
)
def several_rows(surveys: Surveys) -> Problem | None:
    found = [one for one in surveys.stores if one.several]
    if not found:
        return None
    return Problem(
        says=" ".join(
            f"{one.passdb.label}, {one.survey.place}: {len(one.several):,} names have several rows"
            f"{store_case.some(one.several, len(one.several))}."
            for one in found
        ),
        because=(surveys,),
        certainty=Certainty.LIKELY,
        remedy=Remedy(summary="Delete the rows that are not wanted, and make the name a unique key."),
    )
