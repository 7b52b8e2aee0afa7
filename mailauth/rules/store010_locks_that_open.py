"""For some rows of the store, a lock mark or an empty password logs in.

What you see
    Nothing.  Accounts that somebody locked are open.
Why
    See HASH035 and HASH025: where strings without {SCHEME} are taken for PLAIN, "!" and "*" are passwords,
    and an empty string is the empty one.
How we know
    Every row, as this Dovecot takes it.
What to do
    Lock these accounts in a way that Dovecot knows: {CRYPT}! in place of the string, or a query that leaves
    them out.
"""

from mailauth.evidence import Surveys
from mailauth.finding import Problem, Remedy, Severity, rule
from mailauth.hashes.damaged import Fate
from mailauth.rules import store_case


@rule(
    "STORE010",
    "Rows of the store accept a lock mark, or nothing, as the password",
    Severity.RISK,
    watch="rows",
)
def locks_that_open(surveys: Surveys) -> Problem | None:
    mended = Remedy(summary="Store {CRYPT}! in their place, which no password matches, or set passwords.")
    return store_case.damage(surveys, lambda one: one.fate is Fate.OPEN, lambda _: mended)
