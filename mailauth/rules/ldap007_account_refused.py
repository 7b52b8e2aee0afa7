"""The directory refuses the account, not the password.

What you see
    The right password fails; Dovecot logs "Password mismatch (for LDAP bind)", as for a wrong one.
Why
    The account is locked, disabled or expired, its password has expired or must be changed first, or the
    server refuses the bind for a reason of its own.  Dovecot takes 49 for a wrong password and any other code
    for a temporary failure, and logs neither the server's words nor what its password policy says.
How we know
    One bind was made as the entry found, with the password that was given.  Active Directory says it by a
    code in its words (data 775: locked), others by the response control of the password policy.  Where the
    server says 49 alone, an entry whose pwdAccountLockedTime locks it for good shows it.
What to do
    Unlock the account or set a new password, in the directory.
"""

from mailauth.evidence import PasswordCheck, UserBind
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.directed import Bound

_SET_NEW = "Set a new password in the directory: Dovecot cannot change it, and lets nobody in with this one."
_ADVICE = {
    Bound.LOCKED: "Unlock the account in the directory; find who tries an old password, or it locks again.",
    Bound.EXPIRED: _SET_NEW,
    Bound.CHANGE: _SET_NEW,
    Bound.DISABLED: "Enable the account in the directory.",
    Bound.ACCOUNT_EXPIRED: "Set a later end of the account in the directory.",
    Bound.HOURS: "Change the hours in which the account may log in, or wait.",
    Bound.STATION: "Let the account log in from the mail server, in the directory.",
    Bound.NO_USER: "Correct the name to bind as, in the LDAP settings: the server does not know it.",
    Bound.OTHER: "Fix what the server's message and its code name (RFC 4511 appendix A.2).",
}


@rule("LDAP007", "The directory refuses the account", Severity.BLOCKS_LOGIN, bears=Bears.ANSWER)
def account_refused(bind: UserBind, check: PasswordCheck) -> Problem | None:
    how = Bound.LOCKED if bind.locked else bind.told.how
    if how not in _ADVICE or check.lets_in:
        return None
    since = f"; the entry's pwdAccountLockedTime ({bind.since}) locks it until it is unlocked"
    return Problem(
        says=f"{bind.text}{since if bind.locked else ''}.",
        because=(bind, check) if check.several else (bind,),
        certainty=Certainty.LIKELY if bind.locked else Certainty.PROVEN,
        remedy=Remedy(summary=_ADVICE[how]),
    )
