"""Postfix cannot ask auth: nobody can log in at its ports.

What you see
    Sending mail fails: "454 4.7.0 Temporary authentication failure", "503 5.5.1 Error: authentication not
    enabled", or smtpd ends as it starts and the connection is closed.  IMAP works.  Postfix logs
    "warning: SASL: Connect to private/auth failed: Permission denied" and "fatal: no SASL authentication
    mechanisms".
Why
    smtpd runs as postfix and connects to smtpd_sasl_path, which must be a socket of service auth that
    this user may write to.  Dovecot makes it as service auth's unix_listener says; a socket whose name
    ends in userdb, master, login or token answers other requests than a client's login.
How we know
    postconf says which socket smtpd asks; its path, kind, owner and mode were looked at.
What to do
    Have Dovecot make that socket, of mode 0660 for Postfix's user.
"""

from mailauth.evidence import Configured, PostfixLink
from mailauth.evidence.postfix import SocketFault
from mailauth.finding import Bears, Certainty, Problem, Remedy, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_ANOTHER = frozenset({SocketFault.NO_SOCKET, SocketFault.NOT_FOR_CLIENTS})


@rule(
    "AUTH018",
    "Postfix cannot ask auth",
    Severity.BLOCKS_LOGIN,
    yields_to=("CONF018", "CONF019"),
    bears=Bears.NOTHING,
    watch="server",
)
def postfix_cannot_ask(configured: Configured, link: PostfixLink) -> Problem | None:
    if not link.problem:
        return None
    how = f" (mode {link.mode:04o}, {link.owner})" if link.mode is not None else ""
    says = f"Postfix's {link.name} asks auth at {link.path}{how}: {link.problem}."
    says += f" Postfix logs: {link.logged}" if link.logged else ""
    name = link.path if link.fault in _ANOTHER or not link.listener else link.listener
    inner = (Setting("mode", "0660"), Setting("user", link.user), Setting("group", link.user))
    text = [block("service", "auth", block("unix_listener", name, *inner))]
    if link.fault is SocketFault.NOT_FOR_CLIENTS:
        mend = Remedy(
            summary=(
                "Point smtpd_sasl_path at a socket of service auth for clients, such as private/auth, and"
                " have Dovecot make it with mode 0660 for Postfix's user; then: postfix reload."
            )
        )
    else:
        mend = remedy(
            summary="Have Dovecot make that socket for Postfix's user.",
            config=both(*text),
            file=configured.file,
            commands=(RELOAD,),
        )
    return Problem(says=says, because=(link, configured), certainty=Certainty.PROVEN, remedy=mend)
