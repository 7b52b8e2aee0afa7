"""No passdb knows the user.

What you see
    Every password fails.  The client is told what it is told for a wrong password; the log says
    "unknown user", at default verbosity nothing.
Why
    The name that is looked up is not in any passdb: it was never added, or it is spelled otherwise; a query
    may ask for what it makes of the name (its hash, a part of it, other letters).  Where each domain has a
    passwd-file of its own, the domain has none, or the name has no domain.
How we know
    Each passdb was asked, in Dovecot's order, with Dovecot's own query.
What to do
    Add the user, or look up the name that the store has.
"""

import re

from mailauth.evidence import LookedUp, PassdbAnswer, UserName
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule


@rule("USER001", "No passdb knows the user", Severity.BLOCKS_LOGIN, yields_to=("CONF015",))
def unknown_user(name: UserName, lookups: LookedUp) -> Problem | None:
    if name.refused or name.requested or not lookups.unknown:
        return None
    if lookups.near or lookups.disabled or lookups.elsewhere or lookups.comparing or lookups.aliases:
        return None
    asked = f"{name.looked_up!r}"
    if name.looked_up != name.given:
        asked += f" (made of {name.given!r} by auth_username_format and its like)"
    absent = [one for one in lookups.answers if one.absent]
    told = "; ".join(f"{one.passdb}: {one.absent} is not there" for one in absent)
    where = "the passdb that was asked" if len(lookups.answers) == 1 else "any of the passdbs that were asked"
    says = f"{asked} is not in {where}{f' ({told})' if told else ''}."
    made = [f"{one.passdb} was asked for {one.asked_for}" for one in lookups.answers if one.asked_for]
    if made:
        says += f" {'; '.join(made)}."
    summary = "Add the user to the store, or use the name that the store has."
    if absent and "@" not in name.looked_up and (needs := _of_domain(absent)):
        says += f" The name has no domain, and the path needs one: {needs}."
        summary = "Log in as user@domain, or have Dovecot add a domain (auth_default_realm; 2.4:"
        summary += " auth_default_domain)."
    elif absent and len(absent) == len(lookups.answers):
        says += " A file that is not there is a domain that is not hosted here."
        summary = "Correct the domain in the name, or make the file of that domain."
    return Problem(
        says=says,
        because=(name, lookups),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=summary),
    )


_DOMAIN = re.compile(r"%[-.\d]*[A-Z]*d(?![A-Za-z])|%[A-Z]*\{[^}]*\bdomain")


def _of_domain(absent: list[PassdbAnswer]) -> str:
    """The first path that has a variable of the domain."""
    return next((one.path for one in absent if _DOMAIN.search(one.path)), "")
