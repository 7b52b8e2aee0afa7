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
    server says 49 alone, or no password was given, the entry's own attributes show it: pwdAccountLockedTime,
    pwdStartTime, pwdEndTime; userAccountControl, accountExpires, lockoutTime; nsAccountLock.
What to do
    Unlock the account or set a new password, in the directory.
"""

from mailauth.evidence import DirectoryAnswers, PasswordCheck, UserBind
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.directed import Bound, Directed

_SET_NEW = "Set a new password in the directory: Dovecot cannot change it, and lets nobody in with this one."
_ADVICE = {
    Bound.LOCKED: "Unlock the account in the directory; find who tries an old password, or it locks again.",
    Bound.EXPIRED: _SET_NEW,
    Bound.CHANGE: _SET_NEW,
    Bound.DISABLED: "Enable the account in the directory.",
    Bound.ACCOUNT_EXPIRED: "Set a later end of the account in the directory.",
    Bound.HOURS: "Change when the account may log in, or wait.",
    Bound.STATION: "Let the account log in from the mail server, in the directory.",
    Bound.NO_USER: "Correct the name to bind as, in the LDAP settings: the server does not know it.",
    Bound.OTHER: "Fix what the server's message and its code name (RFC 4511 appendix A.2).",
}
_PERHAPS = " It may be over: the directory's policy says for how long."
_WITH_A_POLICY = " It counts where the server has a password policy for the entry, which a bind shows."


@rule("LDAP007", "The directory refuses the account", Severity.BLOCKS_LOGIN, bears=Bears.ANSWER)
def account_refused(
    answers: DirectoryAnswers, bind: UserBind | None, check: PasswordCheck | None
) -> Problem | None:
    if check and check.lets_in:
        return None
    if bind is None:
        return _of_the_entry(answers)
    how = bind.closed.how if bind.closed and bind.locked else bind.told.how
    if how not in _ADVICE:
        return None
    since = f"; of the entry: {bind.closed.says}" if bind.closed and bind.locked else ""
    return Problem(
        says=f"{bind.text}{since}.",
        because=(bind, check) if check and check.several else (bind,),
        certainty=Certainty.LIKELY if bind.locked else Certainty.PROVEN,
        remedy=Remedy(summary=_ADVICE[how]),
    )


def _of_the_entry(answers: DirectoryAnswers) -> Problem | None:
    """Without a bind: what the entry itself says."""
    found = next((one for one in answers.those(Directed.FOUND) if one.closed), None)
    if found is None or found.closed is None:
        return None
    told = found.closed
    sure = told.lasting and not told.policy
    doubt = "" if sure else _WITH_A_POLICY if told.lasting else _PERHAPS
    return Problem(
        says=f"{found.passdb}, {found.told.place}: {told.says}.{doubt}",
        because=(answers,),
        certainty=Certainty.LIKELY,
        severity=Severity.BLOCKS_LOGIN if sure and found.alone else Severity.RISK,
        remedy=Remedy(summary=_ADVICE[told.how]),
    )
