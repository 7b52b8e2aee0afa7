"""The directory accepts the password but requires a change.

What you see
    Logins work.  Nothing in Dovecot's log says that the server has the password marked (pwdReset).
Why
    The server's password policy lets the bind succeed and refuses all else until the password is changed.
    Dovecot does nothing else as the user, so logins go on; other programs may refuse the user.
How we know
    One bind was made as the entry found; the response control of the password policy says changeAfterReset.
What to do
    Set a new password in the directory.
"""

from mailauth.evidence import UserBind
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule


@rule(
    "LDAP008", "The directory accepts the password but requires a change", Severity.NOTE, bears=Bears.NOTHING
)
def password_to_be_changed(bind: UserBind) -> Problem | None:
    if not bind.told.change:
        return None
    return Problem(
        says=f"{bind.text}.",
        because=(bind,),
        certainty=Certainty.PROVEN,
        remedy=Remedy(summary="Set a new password in the directory."),
    )
