"""A passwd-file lists users several times: only the first line counts.

What you see
    A new password is set, and the old one goes on working.
Why
    Dovecot uses the first line of a name and ignores later ones; it logs "User ... exists more than
    once" when it reads the file.  A script that appends instead of replacing makes such lines.
How we know
    Every line's name.
What to do
    Remove the lines that are not wanted.
"""

from mailauth.evidence import Surveys
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import store_case


@rule("STORE008", "A passwd-file lists users several times", Severity.RISK, bears=Bears.ROWS)
def names_twice_in_file(surveys: Surveys) -> Problem | None:
    found = [one for one in surveys.stores if one.survey.twice and one.passdb.driver == "passwd-file"]
    if not found:
        return None
    return Problem(
        says=" ".join(
            f"{one.passdb.label}, {one.survey.place}: {len(one.survey.twice):,} names are in several lines"
            f"{store_case.some(one.survey.twice, len(one.survey.twice))}; only the first of each counts."
            for one in found
        ),
        because=(surveys,),
        certainty=Certainty.LIKELY,
        remedy=Remedy(summary="Remove the lines that are not wanted from the file."),
    )
