"""PAM's service lets nobody in.

What you see
    Every login fails, whatever the password is.  The log says "pam_authenticate() failed: Module is unknown",
    "pam_start() failed: Critical error", or the same as for a wrong password.
Why
    A module that the service needs is not installed (pam_sss.so of a package that was removed), a file that
    it includes is not there, the service and "other" have no file, or pam_deny.so is what is left.
How we know
    The service's files were read with all that they include, and the modules were followed as libpam follows
    them, by their control fields: a module that is not there does no harm where it is optional or sufficient.
What to do
    Install the module, or remove its line; pam-auth-update does that for Debian's own files.
"""

from mailauth.evidence import Logins, PasswordCheck, SystemAccounts
from mailauth.finding import Bears, Problem, Severity, rule
from mailauth.rules import account_case
from mailauth.stores.pam_modules import Why

_ADVICE = {
    Why.ABSENT: (
        "Install the package that has the module (apt-file search MODULE), or remove the line:"
        " pam-auth-update."
    ),
    Why.BROKEN: "Correct the line, or restore the file that it includes: pam-auth-update --package.",
    Why.MISSING: (
        "Restore the file: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss dovecot-core."
    ),
    Why.DENIES: "Let the service ask a module that knows the users, before pam_deny.so.",
}


@rule(
    "PAM001",
    "PAM's service lets nobody in",
    Severity.BLOCKS_LOGIN,
    bears=Bears.ENTRY,
    watch="server",
)
def service_lets_nobody_in(
    accounts: SystemAccounts, logins: Logins | None, check: PasswordCheck | None
) -> Problem | None:
    return account_case.problem(accounts.those(*_ADVICE), accounts, (logins, check), _ADVICE)
