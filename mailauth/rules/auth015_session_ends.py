"""The mail service ends each session after the login, and the log says why.

What you see
    The password is taken, and then the connection is closed: "* BYE Internal error occurred", or
    nothing at all.  doveadm auth test succeeds.
Why
    The mail process cannot begin the session: a plugin that is not installed or lacks another one, a
    userdb field that is malformed, a namespace or quota that is set wrongly.
How we know
    Dovecot logged it, since it last started or was reloaded, and no session has ended as it should.
What to do
    Mend what the line names, then doveadm reload.
"""

from mailauth.dovecot.messages import LogKind
from mailauth.evidence import LogWindow
from mailauth.finding import Certainty, Problem, Remedy, Severity, rule

_NAMED = (
    *("AUTH013", "MEM006", "CONF016", "CONF002", "CONF003", "LOG003"),
    *("USERDB001", "USERDB002", "USERDB003", "USERDB004", "USERDB005", "USERDB006"),
)


@rule(
    "AUTH015", "The mail service ends each session after the login", Severity.BLOCKS_LOGIN, yields_to=_NAMED
)
def session_ends(log: LogWindow) -> Problem | None:
    found = [one for one in log.all(LogKind.MAIL_FAILED) if one.says]
    if not found or log.sessions:
        return None
    first = found[0]
    return Problem(
        says=(
            f"Dovecot says, {first.count} times since {log.begins}, of {first.service}: {first.text}"
            f" ({first.says}); no session has ended as it should since."
        ),
        because=(log,),
        certainty=Certainty.LIKELY,  # of this user nobody has tried it
        remedy=Remedy(summary="Mend what that line names, and reload.", commands=("doveadm reload",)),
    )
