"""An earlier passdb says "Password mismatch" of every login that a later one lets in.

What you see
    Logins work.  With auth_verbose the log has "Password mismatch" for each of them, before the line of
    the login; after some, fail2ban or another guard bans the address of a user who made no mistake.
Why
    Dovecot asks the passdbs in order and goes on after a mismatch.  A user who is in two of them, with
    two passwords or with a hash in the first that no password matches, fails in the first each time.
    PAM may say so of a user whom it does not know: Debian's common-auth ends in pam_deny, which says that the
    authentication failed, and Dovecot logs that as a mismatch.
How we know
    The password that was given was verified against every passdb that has the user, and the passdbs
    were followed in Dovecot's order.
What to do
    Take the user out of the passdb that does not count, or set the same password there.  Put passdb pam
    behind the one that has the user, or take it out where no account of the system has mail.  Where the two
    passwords are meant to differ (app passwords beside the main one), leave them, and let fail2ban count the
    lines of the login processes ("auth failed"), which are of whole logins.
"""

from mailauth.evidence import LookedUp, PasswordCheck, Said, Step
from mailauth.finding import Certainty, Problem, Remedy, Severity, StoreChange, rule

_STRANGER = ", which has no such user,"


@rule("CONF011", "An earlier passdb logs a mismatch for each good login", Severity.RISK)
def mismatch_before_success(lookups: LookedUp, check: PasswordCheck) -> Problem | None:
    end = check.end
    if not check.lets_in or end is None:
        return None
    failing = [step for step in end.steps if step.said is Said.MISMATCH or step.mismatch]
    if not failing:
        return None
    later = next((step for step in end.steps if step.number == end.decided_by), end.steps[-1])
    earlier = end.steps[: end.steps.index(later)]
    first = failing[0]
    when = "before" if set(failing) & set(earlier) else "after"
    names = " and ".join(f"{one.passdb}{_STRANGER if one.mismatch else ''}" for one in failing)
    say = "says" if len(failing) == 1 else "say"
    return Problem(
        says=f"{later.passdb} lets the user in, and {when} it {names} {say} that the password is wrong: each"
        " login logs a mismatch, which fail2ban counts.",
        because=(check, lookups),
        certainty=Certainty.PROVEN,
        remedy=_of_a_stranger(first, "" if when == "after" else later.passdb)
        if first.mismatch
        else _of_an_entry(first),
    )


def _of_an_entry(first: Step) -> Remedy:
    return Remedy(
        summary=f"Take the user out of {first.passdb}, or set the same password there.",
        store=StoreChange.NEW_PASSWORD,
        careful=f"The entry to change is that of {first.passdb}. Where each has a password of its own on"
        " purpose (app passwords), leave both, and let fail2ban count the login process's lines alone.",
    )


def _of_a_stranger(first: Step, later: str) -> Remedy:
    """``later``: the passdb behind it that lets the user in; "" where that one was asked before."""
    way = f"Put {later} before {first.passdb}" if later else f"Set skip = authenticated in {first.passdb}"
    return Remedy(
        summary=f"{way}, or take {first.passdb} out if no account of the system has mail; then"
        " doveadm reload.",
        careful=f"A user whom both have, with two passwords, then fails in {later} first." if later else "",
    )
