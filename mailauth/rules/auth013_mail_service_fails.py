"""auth accepts the login, but the service after it sends the client away.

What you see
    doveadm auth test succeeds, and every mail client fails: the connection is closed before the
    greeting or after the login, "[LIMIT] Maximum number of connections", "Internal error occurred".
Why
    What runs after auth fails: the login process cannot start or may not open its files, the mail
    process does not come up (executable, vsz_limit, chroot, a plugin of protocol imap), its mail
    driver is none, or the user has as many connections as mail_max_userip_connections allows.
How we know
    A session was made for real, as a client makes it: the step that fails and the answer are shown.
    Where another rule names the cause, this one is silent.
What to do
    Read what Dovecot logs of that moment: doveadm log errors, doveadm log find.
"""

from mailauth.dovecot.messages import LogKind
from mailauth.evidence import Logins, LogWindow, MailSession, OpenSessions
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import LOG_ERRORS, LOG_FIND, remedy
from mailauth.rules import database_case, session_case

_NAMED = (
    *("AUTH002", "AUTH006", "AUTH008", "AUTH009", "AUTH010", "AUTH012"),
    *("CONF010", "CONF016", "CONF017", "CONF018", "CONF019"),
    *("NET001", "NET002", "NET005", "NET007", "NET009", "LOG003", "USER005"),
    *("USERDB001", "USERDB002", "USERDB003", "USERDB004", "USERDB005", "USERDB006"),
    *database_case.CAUSES,
)
_TOO_MANY = "Maximum number of connections from user+IP"


@rule(
    "AUTH013",
    "auth accepts the login, but the mail service fails",
    Severity.BLOCKS_LOGIN,
    yields_to=_NAMED,
    bears=Bears.NOTHING,
)
def mail_service_fails(
    logins: Logins, session: MailSession, log: LogWindow | None, sessions: OpenSessions | None
) -> Problem | None:
    if not session.ended_at or (sessions and sessions.full and _TOO_MANY in session.said):
        return None  # AUTH019 says who has them
    told = log.all(LogKind.MAIL_FAILED) if log else ()
    last = max(
        told, key=lambda one: (bool(one.says), one.last.timestamp() if one.last else 0.0), default=None
    )
    last = last or (session_case.dying(log) if log else None)
    says = f"auth takes the login; on {session.listener} {session.ended_at} fails: {session.said.rstrip('.')}"
    if last:
        says += f". Dovecot logs, of {last.service}: {last.text}{f' ({last.says})' if last.says else ''}"
    return Problem(
        says=says,
        because=(logins, session, log) if log and last else (logins, session),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            summary="Fix what that line names." if last else "Read what Dovecot logs of it.",
            commands=() if last else (LOG_ERRORS, LOG_FIND),
        ),
    )
