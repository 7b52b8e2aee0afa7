"""Passdb passwd looks for the hash in the wrong place.

What you see
    Every login fails as if the password were wrong.
Why
    passdb passwd takes the second field of /etc/passwd.  With shadow passwords, as every system has them,
    that is an "x", and Dovecot takes the "x" for the hash.
How we know
    The account's row in /etc/passwd.
What to do
    Use passdb pam.
"""

from mailauth.evidence import Logins, PasswordCheck, SystemAccounts
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import account_case
from mailauth.stores.pam_modules import Why

_ADVICE = {Why.SHADOWED: "Use passdb pam (on 2.3, passdb shadow would do, too) in place of passdb passwd."}


@rule(
    "ACCT004", "Passdb passwd looks for the hash in the wrong place", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY
)
def hash_elsewhere(
    accounts: SystemAccounts, logins: Logins | None, check: PasswordCheck | None
) -> Problem | None:
    return account_case.problem(accounts.those(*_ADVICE), accounts, (logins, check), _ADVICE)
