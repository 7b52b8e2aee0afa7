"""A user has reached the limit of sessions from one address, and the next login is refused.

What you see
    The password is right, but one device or program cannot log in: "[LIMIT] Maximum number of connections
    from user+IP exceeded (mail_max_userip_connections=10)".  Others of the same user work.
Why
    Dovecot counts a user's sessions by service and address.  A program that opens a connection for each
    folder, a webmail, or several devices behind one address (NAT, a proxy) reach the limit: 10, in Debian's
    files for POP3 the same.
How we know
    Dovecot logged that it turned one away since it last started or was reloaded, and doveadm who says how
    many there are now.
What to do
    Raise mail_max_userip_connections for that protocol, or end the sessions: doveadm kick.

Source: client_get_userip_ident() and master_send_request(), Dovecot 2.3.19.1 and 2.4.1
src/login-common/sasl-server.c.
"""

from mailauth.evidence import Configured, OpenSessions
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_ROOM = 2  # times as many as now
_DEFAULT = 10


@rule(
    "AUTH019",
    "A user has reached the limit of sessions from one address",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
)
def too_many_sessions(configured: Configured, sessions: OpenSessions) -> Problem | None:
    refused = "Dovecot has refused logins of this user since it last started or was reloaded"
    if not sessions.full:
        return Problem(
            says=f"{refused}, as there were as many sessions from one address as mail_max_userip_connections"
            " allows; now there are fewer.",
            because=(sessions, configured),
            certainty=Certainty.PROVEN,
            severity=Severity.NOTE,
            remedy=remedy("If it comes again, raise mail_max_userip_connections."),
        )
    service, ip, count, most = sessions.full[0]
    room = block(
        "protocol", service, Setting("mail_max_userip_connections", str(max(_ROOM * most, _DEFAULT)))
    )
    return Problem(
        says=f"{sessions.user!r} has {count} sessions of {service} from {ip}, and mail_max_userip_connections"
        f" allows {most}: the next login from there is refused. {refused}.",
        because=(sessions, configured),
        certainty=Certainty.PROVEN,
        remedy=remedy(
            "Allow more, or end the sessions that nobody needs (doveadm kick).",
            config=both(room),
            file=configured.file,
            commands=(RELOAD,),
            careful="Each session is a process with memory of its own.",
        ),
    )
