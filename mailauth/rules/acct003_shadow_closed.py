"""The processes that verify may not read /etc/shadow.

What you see
    Every login fails as if the password were wrong; passdb shadow says "unknown user".  auth.log has lines of
    unix_chkpwd: "check pass; user unknown".
Why
    pam_unix and passdb shadow read /etc/shadow as the user that auth-worker runs as.  By default that is
    root; another one is set (service auth-worker { user }).  Or auth itself asks, which is not root: by
    blocking=no in args (2.3, passdb shadow), by passdb_use_worker = no (2.4, passdb pam).  unix_chkpwd, which
    pam_unix then asks, verifies only the password of the very user that it runs as.
How we know
    The configuration: who the processes run as.
What to do
    Let auth-worker run as root again, which is the default; or take out what keeps it from being asked.
"""

from mailauth.evidence import Logins, PasswordCheck, SystemAccounts
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import account_case
from mailauth.stores.pam_modules import Why

_ADVICE = {
    "auth-worker": "Let auth-worker run as root: service auth-worker { user = root }, then doveadm reload.",
    "auth": "Let auth-worker ask, which is root: take blocking=no out of the passdb's args (2.3), or"
    " passdb_use_worker = no out of the passdb (2.4), then doveadm reload.",
}


@rule(
    "ACCT003",
    "The processes that verify may not read /etc/shadow",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
    watch="server",
)
def shadow_closed(
    accounts: SystemAccounts, logins: Logins | None, check: PasswordCheck | None
) -> Problem | None:
    found = accounts.those(Why.CLOSED)
    advice = {Why.CLOSED: _ADVICE[found[0][0].asked_by]} if found else {}
    return account_case.problem(found, accounts, (logins, check), advice)
