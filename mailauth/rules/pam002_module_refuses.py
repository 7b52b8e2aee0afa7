"""A module of PAM refuses the user.

What you see
    The right password fails.  Dovecot logs "pam_acct_mgmt() failed", or the same as for a wrong password; the
    reason, if any, stands in auth.log or the journal.
Why
    pam_nologin: /etc/nologin is there.  pam_succeed_if: its requirement is not met, as "user ingroup
    mailusers".  pam_faillock: too many failed logins.  pam_shells: the account's shell is not listed.
    pam_listfile, pam_access, pam_time: their files refuse the user, the client's address or the time.
    pam_exec: its program is not there.
How we know
    The service's modules were followed as libpam follows them, and what these modules look at was read.
What to do
    Remove what refuses, or the requirement: faillock --user USER --reset; adduser USER GROUP.
"""

from mailauth.evidence import Logins, PasswordCheck, SystemAccounts
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import account_case
from mailauth.stores.pam_modules import Why

_ADVICE = {
    Why.NOLOGIN: "Remove the file when logins are to work again; a shutdown that was planned makes it, too.",
    Why.REQUIREMENT: "Let USER meet the requirement, or correct the line.",
    Why.TALLY: "Reset it: faillock --user USER --reset; and see who fails: mailauth log.",
    Why.LISTED: "Correct the list for USER, or the line that asks it.",
    Why.ACCESS: "Let the table let USER in: the first line that fits decides.",
    Why.HOURS: "Let USER log in at these hours, or correct the table.",
    Why.PROGRAM: "Restore the program and make it executable, or take the line out of the service.",
    Why.SHELL: "Give USER a shell that is listed, or take pam_shells out of the service.",
}


@rule("PAM002", "A module of PAM refuses the user", Severity.BLOCKS_LOGIN, bears=Bears.ENTRY)
def module_refuses(
    accounts: SystemAccounts, logins: Logins | None, check: PasswordCheck | None
) -> Problem | None:
    careful = "Such a rule can be intended: check whether this user should have mail."
    return account_case.problem(accounts.those(*_ADVICE), accounts, (logins, check), _ADVICE, careful)
