"""An earlier passdb says "Password mismatch" of every login that a later one lets in.

What you see
    Logins work.  With auth_verbose the log has "Password mismatch" for each of them, before the line of
    the login; after some, fail2ban or another guard bans the address of a user who made no mistake.
Why
    Dovecot asks the passdbs in order and goes on after a mismatch.  A user who is in two of them, with
    two passwords or with a hash in the first that no password matches, fails in the first each time.
How we know
    The password that was given was verified against every passdb that has the user, and the passdbs
    were followed in Dovecot's order.
What to do
    Take the user out of the passdb that does not count, or set the same password there.  Where the two
    passwords are meant to differ (app passwords beside the main one), leave them, and let fail2ban count the
    lines of the login processes ("auth failed"), which are of whole logins.
"""

from mailauth.evidence import LookedUp, PasswordCheck, Said
from mailauth.finding import Certainty, Problem, Remedy, Severity, StoreChange, rule


@rule("CONF011", "An earlier passdb logs a mismatch for each good login", Severity.RISK)
def mismatch_before_success(lookups: LookedUp, check: PasswordCheck) -> Problem | None:
    end = check.end
    if not check.lets_in or end is None:
        return None
    failing = [step.passdb for step in end.steps if step.said is Said.MISMATCH]
    if not failing:
        return None
    later = next((step for step in end.steps if step.number == end.decided_by), end.steps[-1])
    earlier = end.steps[: end.steps.index(later)]
    when = "before" if any(step.said is Said.MISMATCH for step in earlier) else "after"
    return Problem(
        says=f"{later.passdb} lets the user in, and {' and '.join(failing)} {when} it says that the password"
        " is wrong: each login logs a mismatch, which fail2ban counts.",
        because=(check, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(
            summary=f"Take the user out of {failing[0]}, or set the same password there.",
            store=StoreChange.NEW_PASSWORD,
            careful=f"The entry to change is that of {failing[0]}. Where each has a password of its own on"
            " purpose (app passwords), leave both, and let fail2ban count the login process's lines alone.",
        ),
    )
