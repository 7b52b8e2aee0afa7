"""What mail programs show to the person before them, and tools to an administrator.  Pure.

Source: the programs' own texts: Thunderbird's imapMsgs, localMsgs and smtp properties, Outlook's list of
codes (mimeole.h), K-9 Mail's, Roundcube's and Apple Mail's English texts, swaks, curl, fetchmail, OpenSSL's
s_client and x509_vfy.h, NSS's SEC_ERROR names.
"""

from mailauth.dovecot.messages import LogKind
from mailauth.meaning.stand_for import REFUSED
from mailauth.meaning.words import SaidWords

_CERTIFICATE = ("NET003", "NET004", "NET007")
_CONNECT = ("NET001", "CONF018", "NET002", "NET009", "NET005", "NET006")
_REFUSED = "the server refused the login; a client shows the same for each cause"
_TLS, _ALL = LogKind.TLS_FAILED, LogKind.BACKEND
PROGRAM_WORDS: tuple[SaidWords, ...] = (
    SaidWords(
        ("certificate has expired", "SEC_ERROR_EXPIRED", "Verify return code: 10"),
        "the server's certificate has expired",
        ("NET003",),
        "OpenSSL, NSS",
        _TLS,
    ),
    SaidWords(
        (
            "hostname mismatch",
            "SSL_ERROR_BAD_CERT_DOMAIN",
            "Verify return code: 62",
            "belongs to a different site",
        ),
        "the server's certificate is for another name than the one that the client connects to",
        ("NET004",),
        "OpenSSL, NSS",
        _TLS,
    ),
    SaidWords(
        (
            "self-signed certificate",
            "self signed certificate",
            "unable to get local issuer certificate",
            "unable to verify the first certificate",
            "SEC_ERROR_UNKNOWN_ISSUER",
            "SELF_SIGNED_CERT",
            "Verify return code: 18",
            "Verify return code: 19",
            "Verify return code: 20",
            "Verify return code: 21",
            "certificate is not trusted",
        ),
        "the client does not know who signed the server's certificate, or a certificate between is missing",
        (),
        "OpenSSL, NSS",
        _TLS,
    ),
    SaidWords(
        (
            "Cannot Verify Server Identity",
            "=Certificate error",
            "no peer certificate available",
            "TLS startup failed",
            "0x800CCC1A",
        ),
        "TLS could not be set up, mostly over the certificate",
        _CERTIFICATE,
        "Apple Mail, K-9 Mail, swaks",
        _TLS,
    ),
    SaidWords(
        ("maximum number of connections to this server",),
        "the user has as many sessions from that address as mail_max_userip_connections allows; Thunderbird"
        " shows it for other reasons, too",
        ("AUTH019", *REFUSED[:3]),
        "Thunderbird",
    ),
    SaidWords(
        (
            "support the selected authentication method",
            "support encrypted passwords",
            "0x800CCC80",
            "Auth not attempted, requested type not available",
            "Host did not advertise authentication",
            "No authenticators available",
        ),
        "the client is set to a mechanism that this server does not offer, or not without TLS",
        ("AUTH003", "AUTH002", "CONF010"),
        "Thunderbird, Outlook, swaks, mutt",
    ),
    SaidWords(
        ("0x800CCC78", "0x800CCC67"),
        "the client did not log in before it sent mail",
        ("AUTH018", "AUTH002", "AUTH003"),
        "Outlook",
    ),
    SaidWords(
        ("0x800CCC0D", "Name or service not known", "nodename nor servname"),
        "the name of the server does not resolve",
        ("NET005",),
        "Outlook, the C library",
        _ALL,
    ),
    SaidWords(
        (
            "Could not connect to",
            "Couldn't connect to",
            "Error connecting to",
            "Connection to storage server failed",
            "Cannot connect to server",
            "is not responding. Verify",
            "0x800CCC0E",
            "0x80042108",
            "0x800CCC19",
            "server has disconnected",
            "connect:errno=",
            "=connect: Connection refused",
            "=Connection refused",
            "=Connection timed out",
            "=No route to host",
        ),
        "the client does not reach the server: nothing listens there, or a filter is between",
        _CONNECT,
        "Roundcube, Apple Mail, K-9 Mail, Outlook, OpenSSL",
        _ALL,
    ),
    SaidWords(
        ("0x800CCC0F", "write:errno=104", "read:errno=104", "=Connection reset by peer"),
        "the connection was closed in the middle",
        ("AUTH012", "AUTH013", "NET007", "NET010"),
        "Outlook, OpenSSL",
        _ALL,
    ),
    SaidWords(
        (
            "did not succeed. Mail server",
            "Sending of password",
            "Login to server",
            ("Unable to log in at server"),
            "Unable to authenticate to",
            "0x800CCC92",
            "0x800CCC91",
            "0x800CCCD1",
            "rejected your login",
            "user name or password for",
            "username or password for",
            "Incorrect username or password",
            "Username or password incorrect",
            "Cannot Get Mail",
            "Login failed for",
            "=Login failed",
            "No authentication type succeeded",
            "Login denied",
            "Authorization failure on",
            "=Authentication failed",
            "Authentication failed.",
        ),
        _REFUSED,
        REFUSED,
        "Thunderbird, Outlook, Apple Mail, K-9 Mail, Roundcube, swaks, curl",
    ),
)
