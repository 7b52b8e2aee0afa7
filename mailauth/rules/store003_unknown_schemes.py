"""Rows of the store name a scheme that this Dovecot does not have.

What you see
    Some users cannot log in.  The log says "Unknown scheme ...".
Why
    The name is another program's ({BCRYPT}), or a newer Dovecot's ({ARGON2} on 2.3), or one that a
    newer Dovecot has taken out.
How we know
    The name of every row's scheme is looked up among those of the version.
What to do
    Store the strings under the name that this Dovecot knows: mailauth migrate plan --mend.
"""

from mailauth.evidence import Surveys
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.hashes.damaged import Fate
from mailauth.remedies import LIST_SCHEMES, remedy
from mailauth.rules import store_case


@rule(
    "STORE003",
    "Rows of the store have an unknown scheme",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ROWS,
    watch="rows",
)
def unknown_schemes(surveys: Surveys) -> Problem | None:
    found = store_case.which(surveys, lambda one: one.fate is Fate.UNKNOWN)
    if not found:
        return None
    return Problem(
        says=f"Dovecot {surveys.version} does not know their scheme: "
        + store_case.told(found, lambda one: one.damage.detail if one.damage else ""),
        because=(surveys,),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Store them under the name that this Dovecot knows, or set the passwords again.",
            commands=(*store_case.plans(surveys, found, lambda _: "--mend"), LIST_SCHEMES),
        ),
    )
