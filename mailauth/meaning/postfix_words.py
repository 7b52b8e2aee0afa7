"""What Postfix logs of a login, and answers its clients.  Pure.

Source: Postfix 3.7 and 3.10 src/smtpd/smtpd_sasl_glue.c, smtpd_sasl_proto.c, smtpd.c, smtpd_check.c,
src/xsasl/xsasl_dovecot_server.c, xsasl_cyrus_server.c, src/tls/tls_server.c.
"""

from mailauth.dovecot.messages import LogKind
from mailauth.meaning.stand_for import REFUSED
from mailauth.meaning.words import SaidWords

_CANNOT_ASK = ("AUTH018", "CONF018")
_NOT_LOGGED_IN = "the client did not log in, and this Postfix accepts it only after a login"
_MECHANISMS = (
    "LOGIN",
    "PLAIN",
    "CRAM-MD5",
    "DIGEST-MD5",
    "NTLM",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "XOAUTH2",
    "OAUTHBEARER",
)
POSTFIX_WORDS: tuple[SaidWords, ...] = (
    SaidWords(
        ("saslauthd",),
        "Postfix asks Cyrus SASL, not Dovecot: smtpd_sasl_type = dovecot would ask Dovecot",
        ("AUTH018",),
        "xsasl_cyrus_server.c",
        LogKind.BACKEND,
    ),
    SaidWords(
        ("Connection lost to authentication server",),
        "auth ended, or gave no answer, while Postfix was waiting for it",
        ("AUTH012", "AUTH011", "AUTH014", "AUTH018"),
        "xsasl_dovecot_server.c",
        LogKind.NOT_RESPONDING,
    ),
    SaidWords(
        ("Invalid authentication mechanism", "Unrecognized authentication type"),
        "the client asked for a mechanism that this server does not offer",
        ("AUTH003", "CONF010"),
        "smtpd_sasl_glue.c",
    ),
    SaidWords(
        (
            "SASL: Connect to",
            "no SASL authentication mechanisms",
            "SASL per-process initialization failed",
            "SASL per-connection initialization failed",
        ),
        "Postfix does not reach auth",
        _CANNOT_ASK,
        "xsasl_dovecot_server.c",
        LogKind.BACKEND,
    ),
    SaidWords(
        ("authentication not enabled",),
        "this port of Postfix takes no logins: smtpd_sasl_auth_enable = no, or TLS comes first"
        " (smtpd_tls_auth_only = yes)",
        ("AUTH018", "AUTH002"),
        "smtpd_sasl_proto.c",
        LogKind.BACKEND,
    ),
    SaidWords(
        ("Must issue a STARTTLS command first", "Encryption required for requested"),
        "without TLS this port takes no password",
        ("AUTH002",),
        "smtpd.c",
    ),
    SaidWords(
        ("TLS not available due to local problem",),
        "Postfix cannot use its own certificate or key",
        (),
        "smtpd.c",
        LogKind.TLS_FAILED,
    ),
    SaidWords(
        ("SSL_accept error from", "TLS library problem"),
        "the TLS handshake with Postfix failed; the words behind it are OpenSSL's",
        (),
        "tls_server.c",
        LogKind.TLS_FAILED,
    ),
    SaidWords(
        ("not owned by user",),
        "the login worked; smtpd_sender_login_maps does not give this user the sender's address",
        (),
        "smtpd_check.c",
        LogKind.LOGGED_IN,
    ),
    SaidWords(
        (
            "Relay access denied",
            "Client host rejected: Access denied",
            "530 5.7.0 Authentication required",
            "530 5.7.1 Authentication required",
            "Sender address rejected: not logged in",
        ),
        _NOT_LOGGED_IN,
        ("AUTH018", "AUTH002", "AUTH003"),
        "smtpd_check.c",
    ),
    SaidWords(
        ("lost connection after AUTH", "auth=0/"),
        "the client left after a login that failed; the line before it says of which mechanism",
        REFUSED,
        "smtpd.c",
    ),
    SaidWords(
        ("authentication aborted",), "the client took its attempt back", ("AUTH003",), "smtpd_sasl_glue.c"
    ),
    SaidWords(
        (
            *(f"SASL {one} authentication failed" for one in _MECHANISMS),
            "535 5.7.8",
            "535 5.7.0",
            "Error: authentication failed",
        ),
        "the login was refused; a client gets the same words for a wrong password, an unknown user and a"
        " hash for which there was no memory",
        REFUSED,
        "smtpd_sasl_glue.c",
    ),
)
