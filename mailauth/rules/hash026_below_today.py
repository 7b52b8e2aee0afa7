"""The hash is weaker than today's recommendations.

What you see
    Nothing: logins work. Whoever steals the store finds passwords faster than necessary.
Why
    The scheme is a single digest, or its parameters are below OWASP's
    (mailauth/hashes/strength.py has them).
How we know
    The stored hash names its scheme and its parameters. Only an audit checks this: see
    docs/decisions/310-strength-is-asked-by-an-audit.md.
What to do
    Make new hashes with today's numbers as users set passwords: mailauth hash new, mailauth memory
    recommend.
"""

from mailauth.evidence import StoredHash, TodaysStrength
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import HASH_NEW, remedy


@rule("HASH026", "The hash is weaker than today's recommendations", Severity.NOTE, bears=Bears.ENTRY)
def below_today(stored: StoredHash, today: TodaysStrength) -> Problem | None:
    if today.enough:
        return None
    return Problem(
        says=f"The stored hash is {today.level}: {today.says}.",
        because=(stored, today),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Hash with today's numbers when the password is next set.",
            commands=(HASH_NEW,),
            careful="A larger hash must still fit into vsz_limit: see mailauth memory recommend.",
        ),
    )
