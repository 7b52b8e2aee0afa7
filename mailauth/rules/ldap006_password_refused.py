"""The directory refuses the password.

What you see
    The login fails; Dovecot logs "Password mismatch (for LDAP bind)", whatever the server's reason is.
Why
    Dovecot binds as the user, and the server refuses name and password.  Active Directory says that it is the
    password (data 52e).  Most others answer 49 alone, and that alike for a wrong password, for an entry that
    has none and, as some are set, for a locked account.
How we know
    One bind was made as the entry found, with the password that was given; the code and the words are the
    server's, which Dovecot does not log.  Near variants of the password were not tried: each would count as
    one attempt more.
What to do
    Use the right password, or set a new one in the directory.
"""

from mailauth.evidence import PasswordCheck, UserBind
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.directed import Bound

_USE = "Use the right password, or set a new one in the directory."
_UNLOCK = "Unlock the account in the directory if it is locked still; else use the right password."
_DOUBT = ". It does not say why: an entry without a password, or a locked account, may have the same answer"
_WRONG = (Bound.WRONG, Bound.EMPTY)


@rule("LDAP006", "The directory refuses the password", Severity.BLOCKS_LOGIN, bears=Bears.ANSWER)
def password_refused(bind: UserBind, check: PasswordCheck) -> Problem | None:
    if bind.told.how not in _WRONG or bind.locked or check.lets_in:
        return None
    sure = bind.told.plain or bind.told.how is Bound.EMPTY
    doubt = "" if sure else _DOUBT
    doubt += (
        f". By the entry's pwdAccountLockedTime ({bind.since}) the account was locked" if bind.since else ""
    )
    return Problem(
        says=f"{bind.text}{doubt}.",
        because=(bind, check) if check.several else (bind,),
        certainty=Certainty.PROVEN if sure else Certainty.LIKELY,
        remedy=Remedy(summary=_UNLOCK if bind.since else _USE),
    )
