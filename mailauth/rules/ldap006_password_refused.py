"""The directory refuses the password.

What you see
    The login fails; Dovecot logs "Password mismatch (for LDAP bind)", whatever the server's reason is.
Why
    Dovecot binds as the user, and the server refuses name and password.  Active Directory says that it is the
    password (data 52e).  Most others answer 49 alone, and that alike for a wrong password, for an entry that
    has none, for a name that no entry has and, as some are set, for a locked account.
How we know
    One bind was made as the entry found, with the password that was given; the code and the words are the
    server's, which Dovecot does not log.  Near variants of the password were not tried: each would count as
    one attempt more.  A name that is made of a template, without a search, is looked up after that, as
    Dovecot may see the directory.
What to do
    Use the right password, or set a new one in the directory.  Where no entry has the name, correct the
    template (auth_bind_userdn; in 2.4 passdb_ldap_bind_userdn).
"""

from mailauth.evidence import PasswordCheck, UserBind
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.stores.directed import Bound, Named

_USE = "Use the right password, or set a new one in the directory."
_UNLOCK = "Unlock the account in the directory if it is locked still; else use the right password."
_DOUBT = ". It does not say why: an entry without a password, or a locked account, may have the same answer"
_DOUBTS = {
    Named.ENTRY: _DOUBT,
    Named.OPEN: ". It does not say why: a name that no entry has, an entry without a password, or a locked"
    " account, may have the same answer",
    Named.NOBODY: ". No entry has that name, or it is hidden from the name by which Dovecot asks",
}
_TEMPLATE = (
    "Compare that name with the entry's own: where they differ, correct the template that it is made of"
    " (auth_bind_userdn; in 2.4 passdb_ldap_bind_userdn). Where they are the same: "
)
_WRONG = (Bound.WRONG, Bound.EMPTY)


@rule("LDAP006", "The directory refuses the password", Severity.BLOCKS_LOGIN, bears=Bears.ANSWER)
def password_refused(bind: UserBind, check: PasswordCheck) -> Problem | None:
    if bind.told.how not in _WRONG or bind.locked or check.lets_in:
        return None
    sure = bind.told.plain or bind.told.how is Bound.EMPTY
    doubt = "" if sure else _DOUBTS[bind.told.named]
    doubt += f". Of the entry: {bind.closed.says}" if bind.closed else ""
    return Problem(
        says=f"{bind.text}{doubt}.",
        because=(bind, check) if check.several else (bind,),
        certainty=Certainty.PROVEN if sure else Certainty.LIKELY,
        remedy=Remedy(summary=_remedy(bind)),
    )


def _remedy(bind: UserBind) -> str:
    if bind.told.named is not Named.ENTRY:
        return f"{_TEMPLATE}{_USE[0].lower()}{_USE[1:]}"
    return _UNLOCK if bind.closed else _USE
