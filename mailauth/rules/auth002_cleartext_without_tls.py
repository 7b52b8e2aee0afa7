"""Passwords are refused without TLS, and no TLS is offered.

What you see
    A client on another machine cannot log in: "Plaintext authentication disallowed on non-secure
    (SSL/TLS) connections", [PRIVACYREQUIRED]; some see only that no login is offered (LOGINDISABLED).
    On the server itself the same login works.  auth is not asked, so that auth_verbose shows nothing
    on 2.3 but "Plaintext authentication disabled".
Why
    disable_plaintext_auth = yes (2.3), auth_allow_cleartext = no (2.4), the default of both, refuses a
    password that could be overheard; with ssl = no there is no other way.  A connection counts as
    secured where both ends have the same address, or the client is in login_trusted_networks.
How we know
    From doveconf, and from what the login services listen on.
    Source: Dovecot 2.3.19.1 src/login-common/client-common.c:216, client-common-auth.c:898; 2.4.1
    client-common.c:330, client-common-auth.c:1137.
What to do
    Offer TLS: ssl = yes, with a certificate.
"""

from mailauth.evidence import Cleartext, Configured, Listening
from mailauth.finding import Bears, Certainty, Problem, Severity, rule
from mailauth.remedies import RELOAD, Setting, remedy


@rule(
    "AUTH002",
    "Passwords are refused without TLS, and no TLS is offered",
    Severity.BLOCKS_LOGIN,
    bears=Bears.NOTHING,
    watch="server",
)
def cleartext_without_tls(
    configured: Configured, listening: Listening, cleartext: Cleartext
) -> Problem | None:
    if cleartext.allowed or cleartext.tls or cleartext.excepted or listening.local_only:
        return None
    if not cleartext.needed:
        return None  # the client uses a mechanism that sends no password
    setting = (
        "disable_plaintext_auth = yes" if configured.version.dialect == "2.3" else "auth_allow_cleartext = no"
    )
    return Problem(
        says=f"ssl = no and {setting}: a client on another machine may not send its password.",
        because=(cleartext, listening, configured),
        certainty=Certainty.LIKELY,
        remedy=remedy(
            summary="Offer TLS: ssl = yes, with a certificate. The text below allows passwords without it.",
            config={
                "2.3": [Setting("disable_plaintext_auth", "no")],
                "2.4": [Setting("auth_allow_cleartext", "yes")],
            },
            file=configured.file,
            commands=(RELOAD,),
            careful="Without TLS whoever is between the client and the server reads the password.",
        ),
    )
