"""One of several database servers cannot be used.

What you see
    Most logins work, but now and then one fails or waits.  The log has "Connect failed to database"
    for one host.
Why
    Dovecot is set to use several servers and goes on to the next if one fails.  Now there is no
    spare: with the next failure nobody can log in.
How we know
    Each server was connected to with Dovecot's credentials.
What to do
    Start that server, or take it out of the settings.
"""

from mailauth.evidence import Logins, LookedUp
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import database_case


@rule(
    "DB012",
    "One of several database servers cannot be used",
    Severity.RISK,
    bears=Bears.NOTHING,
    watch="server",
)
def one_of_several_down(lookups: LookedUp, logins: Logins | None) -> Problem | None:
    failed = [failure for answer in lookups.answers if not answer.failure for failure in answer.beside]
    if not failed:
        return None
    says = "; ".join(dict.fromkeys(f"{one.place}: {one.says}" for one in failed)) + "."
    if database_case.fails_beside(lookups, logins):
        return Problem(
            says=f"{says} A login made now failed within (temp_fail), as those do for which Dovecot asks it.",
            because=(lookups, logins) if logins else (lookups,),
            certainty=Certainty.LIKELY,
            severity=Severity.BLOCKS_LOGIN,
            remedy=Remedy(summary="Start that server, or take it out of the settings."),
        )
    return Problem(
        says=says,
        because=(lookups,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Start that server, or take it out of the settings."),
    )
