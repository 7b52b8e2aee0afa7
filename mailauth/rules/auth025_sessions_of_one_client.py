"""A user may have fewer IMAP sessions from one address than one mail client opens.

What you see
    A mail client gets some folders, and for others says that the server allows too few connections:
    "[LIMIT] Maximum number of connections from user+IP exceeded".
Why
    mail_max_userip_connections counts the sessions of a user from one address.  An IMAP client has one for
    each of several folders: Thunderbird 5 (GetMaximumConnectionsNumber(), nsImapIncomingServer.cpp).  All
    the devices behind one address (NAT, a webmail) share the limit.
How we know
    doveconf says so.  What your clients open is not seen: AUTH019 says when Dovecot turned one away.
What to do
    Remove the setting, so that Dovecot's default of 10 counts, or paste the text below.

Source: client_get_userip_ident() and master_send_request(), Dovecot 2.3.19.1 and 2.4.1
src/login-common/sasl-server.c.
"""

from mailauth.evidence import Configured
from mailauth.finding import Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, block, both, remedy

_ONE_CLIENT = 5  # sessions of Thunderbird
_DEFAULT = "10"
_ENOUGH = [block("protocol", "imap", Setting("mail_max_userip_connections", _DEFAULT))]


@rule(
    "AUTH025",
    "Fewer IMAP sessions from one address than one mail client opens",
    Severity.NOTE,
    yields_to=["AUTH019"],
)
def sessions_of_one_client(configured: Configured) -> Problem | None:
    config = configured.config
    most = config.sessions_from_address("imap")
    if "imap" not in config.protocols or not 0 < most < _ONE_CLIENT:
        return None
    return Problem(
        says=f"mail_max_userip_connections allows {most} IMAP session{'s' * (most > 1)} of a user from one"
        f" address; one Thunderbird opens {_ONE_CLIENT}, and the next is refused.",
        because=(configured,),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            f"Allow {_DEFAULT}, which is Dovecot's default.",
            config=both(*_ENOUGH),
            file=configured.file,
            commands=(RELOAD,),
            careful="Each session is a process with memory of its own.",
        ),
    )
