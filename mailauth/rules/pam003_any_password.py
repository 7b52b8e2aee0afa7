"""Any password logs in, by PAM.

What you see
    Nothing fails.  Whoever knows the name reads the mail.
Why
    The account's field in /etc/shadow is empty (passwd -d), and the service's pam_unix.so has nullok, as
    Debian's common-auth does: then it takes any password.  Or the service has no module that asks for one
    (pam_permit.so alone, pam_rootok.so: auth-worker is root).
How we know
    The service's modules were followed as libpam follows them, with a wrong password: it is let in.
What to do
    Set a password, or lock it: passwd USER; passwd -l USER.  Take nullok out of the service.
"""

from mailauth.evidence import SystemAccounts
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule("PAM003", "Any password logs in, by PAM", Severity.RISK, bears=Bears.ENTRY)
def any_password(accounts: SystemAccounts) -> Problem | None:
    found = [one for one in accounts.answers if one.opens]
    if not found:
        return None
    return Problem(
        says=f"Any password logs in as {found[0].user}: {found[0].opens}.",
        because=(accounts,),
        certainty=Certainty.LIKELY,
        remedy=Remedy(
            summary=f"Set a password (passwd {found[0].user}), or lock the account (passwd -l); and let the"
            " service ask for one: without nullok, with pam_unix.so.",
            careful="Somebody may have logged in so: doveadm log find shows where the logins are.",
        ),
    )
