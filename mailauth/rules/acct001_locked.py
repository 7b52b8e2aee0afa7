"""The system's account is locked, or has no password.

What you see
    Every password fails; the log says the same as for a wrong password.
Why
    There is a "!" before the hash in /etc/shadow (passwd -l, usermod -L), or a "*", "!" or nothing where the
    hash would be (a new account, useradd without a password), or a {SCHEME} before it, which only Dovecot
    knows.  PAM does not say so; passdb shadow says "invalid password field".  A key for ssh still works, so
    nobody may have noticed.
How we know
    The account's rows in /etc/passwd and /etc/shadow.
What to do
    Unlock it (passwd -u USER), or set a password (passwd USER).
"""

from mailauth.evidence import Logins, PasswordCheck, SystemAccounts
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import account_case
from mailauth.stores.pam_modules import Why

_ADVICE = {
    Why.LOCKED: "passwd -u USER unlocks the account.",
    Why.NO_PASSWORD: "Set a password (passwd USER).",
    Why.PREFIX: "Remove the braces from /etc/shadow (vipw -s), or set the password again (passwd USER).",
    Why.NO_ROW: "Make the row (pwconv), then set a password (passwd USER).",
}


@rule(
    "ACCT001",
    "The system's account is locked, or has no password",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
)
def locked(accounts: SystemAccounts, logins: Logins | None, check: PasswordCheck | None) -> Problem | None:
    careful = "The account may be locked on purpose."
    return account_case.problem(accounts.those(*_ADVICE), accounts, (logins, check), _ADVICE, careful)
