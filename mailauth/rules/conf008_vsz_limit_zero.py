"""vsz_limit = 0 means "no limit" to 2.3; 2.4 takes it for a limit of no bytes, and refuses it.

What you see
    Dovecot does not start: service(auth): vsz_limit is too low (did you mean "unlimited"?).
Why
    2.3 wrote "no limit" as 0.  2.4 writes it as unlimited, and any limit below 1 MiB is an error.
How we know
    doveconf was asked, and its words are shown; the lines were found in the files.
What to do
    Write unlimited, or a limit such as 1G.
"""

from mailauth.evidence import Accepted
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.rules import misfit_remedy


@rule("CONF008", "vsz_limit = 0 is refused by Dovecot 2.4", Severity.BLOCKS_LOGIN, bears=Bears.NOTHING)
def vsz_limit_zero(accepted: Accepted) -> Problem | None:
    if not accepted.words or accepted.version.dialect != "2.4":
        return None
    found = [one for one in accepted.misfits if misfit_remedy.is_limit(one)]
    if not found:
        return None
    return Problem(
        says=f"{misfit_remedy.told(found)} Dovecot {accepted.version} says: {accepted.words}.",
        because=(accepted,),
        certainty=Certainty.PROVEN,
        remedy=misfit_remedy.remedy("Write unlimited.", found),
    )
