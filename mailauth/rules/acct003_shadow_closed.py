"""The processes that verify may not read /etc/shadow.

What you see
    Every login fails as if the password were wrong; passdb shadow says "unknown user".  auth.log has lines of
    unix_chkpwd: "check pass; user unknown".
Why
    pam_unix and passdb shadow read /etc/shadow as the user that auth-worker runs as.  By default that is
    root; another one is set (service auth-worker { user }).  unix_chkpwd, which pam_unix then asks, verifies
    only the password of the very user that it runs as.
How we know
    The configuration: who the processes run as.
What to do
    Let auth-worker run as root again, which is the default.
"""

from mailauth.evidence import Logins, SystemAccounts
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import account_case
from mailauth.stores.pam_modules import Why

_ADVICE = {
    Why.CLOSED: "Let auth-worker run as root: service auth-worker { user = root }, then doveadm reload."
}


@rule(
    "ACCT003",
    "The processes that verify may not read /etc/shadow",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
    watch="server",
)
def shadow_closed(accounts: SystemAccounts, logins: Logins | None) -> Problem | None:
    return account_case.problem(accounts.those(*_ADVICE), accounts, logins, _ADVICE)
