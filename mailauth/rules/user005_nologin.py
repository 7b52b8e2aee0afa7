"""The entry forbids logging in (nologin).

What you see
    The right password is accepted, but the client is still sent away.  doveadm auth test says
    that it succeeded.
Why
    The passdb's entry has the field nologin.  Whether it has a value does not matter, nor which:
    nologin=no forbids, too.  Only SQL's NULL is no field.
How we know
    The field came with the entry, or the passdb sets it.
What to do
    Take the field from the entry; in a query, return NULL for those who may log in.
"""

from mailauth.evidence import Configured, LookedUp, PasswordCheck
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.rules import passdb_case


@rule("USER005", "The entry forbids logging in (nologin)", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def nologin(configured: Configured, lookups: LookedUp, check: PasswordCheck | None) -> Problem | None:
    if not lookups.right or not lookups.right.nologin:
        return None
    answer = next((a for a in lookups.answers if a.field("nologin") is not None), None)
    if answer is None:
        return None
    # Which passdb's hash the password matches decides, and it was not given.
    open_ = check is None and any(end.lets_in for _, end in lookups.without)
    also = f" A password that {answer.passdb} refuses, and a later passdb takes, logs in." if open_ else ""
    block = passdb_case.of_the_block(configured, answer.number, "nologin")
    where = f"its block sets the field nologin for every user, by {block}" if block else ""
    return Problem(
        says=f"{answer.passdb}, {answer.place}: {where or 'the field nologin is there'}; Dovecot ignores its"
        f" value.{also}",
        because=(lookups, *((configured,) if block else ())),
        certainty=Certainty.LIKELY if open_ else Certainty.PROVEN,
        severity=Severity.RISK if open_ else None,
        remedy=Remedy(
            summary=f"Take nologin out of {block}, and reload."
            if block
            else "Take nologin from the entry, or return NULL for it in the query."
        ),
    )
