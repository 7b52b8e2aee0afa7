"""The system's account, or its password, has expired.

What you see
    The right password fails.  Dovecot logs "pam_acct_mgmt() failed"; the client may get "Password expired"
    ([EXPIRED]).  A wrong password gets the usual answer.
Why
    The account has a day on which it ends (chage -E), the password one on which it must be changed
    (chage -M), or root has set that it must be (chage -d 0, passwd -e).  Nobody can change it by IMAP.
How we know
    The account's row in /etc/shadow, and today's date.
What to do
    chage -l USER shows the days; chage -E -1 USER, or a new password, lets the user in again.
"""

from mailauth.evidence import Logins, PasswordCheck, SystemAccounts
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import account_case
from mailauth.stores.pam_modules import Why

_ADVICE = {
    Why.EXPIRED: "chage -E -1 USER lets the account go on.",
    Why.AGED: "Set a new password (passwd USER), or let it get older (chage -M -1 USER).",
}


@rule(
    "ACCT002",
    "The system's account, or its password, has expired",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def expired(accounts: SystemAccounts, logins: Logins | None, check: PasswordCheck | None) -> Problem | None:
    careful = "The account may have an end on purpose."
    return account_case.problem(accounts.those(*_ADVICE), accounts, (logins, check), _ADVICE, careful)
