"""PAM refuses the password or the account.

What you see
    The login fails; Dovecot logs "pam_authenticate() failed" or "pam_acct_mgmt() failed", but not what
    PAM's modules said.
Why
    A module of the service that mailauth does not follow (pam_sss, pam_ldap, pam_winbind, pam_userdb, ...)
    refuses the password or the account.
How we know
    With --ask-pam PAM was asked once about the password that was given, as Dovecot's worker asks it: the
    same service, name and rights, and no session opened.  The function, its code and the modules' words are
    PAM's own.
What to do
    7 from pam_authenticate() is a wrong password, or a module that says no more.  Otherwise fix what the
    words and the code name (pam(3), "RETURN VALUES"); the modules' own reasons stand in auth.log or the
    journal.
"""

from mailauth.evidence import PamAnswer, PasswordCheck
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule

_AUTH_ERR = 7
_WRONG = "Use the right password, or set a new one where the module keeps it; its reason stands in auth.log."
_OTHER = "Fix what PAM's words and code name; the modules' own reasons stand in auth.log or the journal."


@rule(
    "PAM004", "PAM refuses the password or the account", Severity.BLOCKS_LOGIN, last=True, bears=Bears.ANSWER
)
def refused(answer: PamAnswer, check: PasswordCheck | None) -> Problem | None:
    if answer.told.taken or (check and check.lets_in_by not in (0, answer.number)):
        return None
    of_password = answer.told.call == "pam_authenticate" and answer.told.code == _AUTH_ERR
    return Problem(
        says=f"{answer.text}.",
        because=(answer,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary=_WRONG if of_password else _OTHER),
    )
