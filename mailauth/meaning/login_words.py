"""What Dovecot's login processes, its delivery and doveadm log of who was not refused by auth.  Pure.

Source: get_extra_disconnect_reason() of Dovecot 2.3.19.1 and 2.4.1 src/login-common/client-common.c,
src/lib-auth-client (2.3: src/lib-auth), src/lib-ssl-iostream/iostream-openssl.c, src/lmtp/lmtp-local.c,
src/lib-storage/mail-storage-service.c; what a TLS handshake ends with are OpenSSL's own words.
"""

from mailauth.dovecot.messages import LogKind
from mailauth.meaning.words import SaidWords

_CERTIFICATE = ("NET003", "NET004", "NET007")
_NO_AUTH = ("AUTH014", "CONF017", "AUTH012", "AUTH011")
_MAIL = ("AUTH013", "USERDB002", "USERDB003", "USERDB004", "USERDB006")
_REASON = "login-common/client-common.c"
_TLS = LogKind.TLS_FAILED
LOGIN_WORDS: tuple[SaidWords, ...] = (
    SaidWords(
        (
            "alert unknown ca",
            "alert certificate unknown",
            "alert bad certificate",
            "alert certificate expired",
            "SSL alert number 42",
            "SSL alert number 45",
            "SSL alert number 46",
            "SSL alert number 48",
        ),
        "the client refuses the server's certificate: it has expired, has another name, or was signed by"
        " somebody whom the client does not know",
        _CERTIFICATE,
        "OpenSSL",
        _TLS,
    ),
    SaidWords(
        (
            "no shared cipher",
            "unsupported protocol",
            "version too low",
            "no suitable",
            ("inappropriate fallback"),
            "alert protocol version",
        ),
        "client and server have no TLS version or cipher in common (ssl_min_protocol, ssl_cipher_list)",
        (),
        "OpenSSL",
        _TLS,
    ),
    SaidWords(
        (
            "wrong version number",
            "http request",
            "https proxy request",
            "unknown protocol",
            "packet length too long",
        ),
        "the client spoke no TLS on a port that expects it, such as STARTTLS on port 993",
        (),
        "OpenSSL",
        _TLS,
    ),
    SaidWords(
        (
            "SSL_accept() failed",
            "SSL_accept() syscall failed",
            "TLS handshaking",
            "disconnected during TLS handshake",
            "tls_handshake_not_finished",
        ),
        "the TLS handshake was not finished: the client broke it off, mostly over the certificate",
        _CERTIFICATE,
        "lib-ssl-iostream/iostream-openssl.c",
        _TLS,
    ),
    SaidWords(
        ("disconnected before auth was ready", "auth_process_not_ready"),
        "the client left while the login process was waiting for auth",
        _NO_AUTH,
        _REASON,
        LogKind.NOT_RESPONDING,
    ),
    SaidWords(
        (
            "client sent an invalid cert",
            "client sent an untrusted cert",
            "client didn't send a cert",
            "cert required, client didn't start TLS",
        ),
        "auth_ssl_require_client_cert = yes, and the client has no certificate that is accepted",
        (),
        _REASON,
    ),
    SaidWords(
        ("client_limit and process_limit was hit", "Connection queue full"),
        "as many clients were logging in as the login service may have, and this one was dropped",
        ("AUTH008", "AUTH009"),
        _REASON,
        LogKind.LIMIT,
    ),
    SaidWords(
        ("process is shutting down so the",),
        "Dovecot was stopped or reloaded while the client logged in",
        (),
        _REASON,
        LogKind.MAIL_ENDED,
    ),
    SaidWords(
        ("Too many invalid", "Too many bad commands"),
        "the client sent commands of another protocol: it has the wrong port, or is a scanner",
        (),
        "imap-login/imap-login-client.c",
        LogKind.MAIL_ENDED,
    ),
    SaidWords(
        ("no auth attempts", "no_auth_attempts"),
        "the client connected and left without trying to log in: a monitoring probe, a scanner, or a"
        " client that was offered no way to log in that it accepts",
        ("AUTH002", "AUTH003", "NET003", "NET004"),
        _REASON,
        LogKind.BACKEND,
    ),
    SaidWords(
        ("client didn't finish SASL auth", "auth_waiting_client"),
        "the client began to log in and did not go on: it could not use the mechanism, or had no password",
        ("AUTH003",),
        _REASON,
    ),
    SaidWords(
        ("disconnected while authenticating",),
        "the client left before auth had answered: verifying took longer than it waits",
        ("AUTH012", "HASH034", "HASH027", "AUTH007", "AUTH006"),
        _REASON,
    ),
    SaidWords(
        ("disconnected while finishing login", "successful auths", "=internal failure"),
        "auth let the user in, and the mail session did not begin",
        _MAIL,
        _REASON,
    ),
    SaidWords(
        ("aborted authentication", "auth aborted by client", "auth_aborted_by_client"),
        "the client took its attempt back, as some do before they ask for the password",
        ("AUTH003",),
        _REASON,
    ),
    SaidWords(
        ("auth process communication failure", "auth_process_comm_fail"),
        "the login process lost auth in the middle of a login",
        ("AUTH011", "AUTH012"),
        _REASON,
    ),
    SaidWords(
        ("proxy dest",),
        "the server that the user is passed on to refuses the login, or does not answer",
        ("AUTH017", "AUTH020"),
        _REASON,
    ),
    SaidWords(
        ("connection limit reached",),
        "the user has as many sessions from that address as mail_max_userip_connections allows",
        ("AUTH019",),
        _REASON,
    ),
    SaidWords(
        (
            "Timeout waiting for handshake from auth server",
            "Couldn't connect to auth socket",
            "connect(login) in directory",
            "Auth server request timed out",
            "Auth connection closed with",
            "Disconnected from auth server",
        ),
        "a process has no answer from auth",
        _NO_AUTH,
        "lib-auth-client/auth-client-connection.c",
        LogKind.NOT_RESPONDING,
    ),
    SaidWords(
        (
            "Auth lookup returned temporary failure",
            "Temporary internal lookup failure",
            "Internal auth failure",
            "451 4.3.0",
        ),
        "the userdb cannot say where the user's mail is, so that mail is not delivered either",
        ("USERDB005", "DB001", "DB002", "LDAP001"),
        "lib-auth-client/auth-master.c",
    ),
    SaidWords(
        ("User doesn't exist", "550 5.1.1"),
        "the userdb does not have the user: mail to that name is not accepted",
        ("USERDB001", "USER001", "USER004"),
        "lmtp/lmtp-local.c",
    ),
    SaidWords(
        (
            "Disconnected for inactivity during authentication",
            "Disconnected for inactivity",
            "=Inactivity",
            ": Inactivity",
        ),
        "the client was silent for minutes, and Dovecot closed the connection",
        (),
        _REASON,
        LogKind.MAIL_ENDED,
    ),
    SaidWords(
        ("Aborted login by logging out", "=Aborted login"),
        "the client logged out without having tried to log in",
        (),
        _REASON,
        LogKind.MAIL_ENDED,
    ),
    SaidWords(
        ("saved mail to", "stored mail into mailbox"),
        "mail was delivered",
        (),
        "lib-lda/mail-deliver.c",
        LogKind.MAIL_ENDED,
    ),
    SaidWords(
        ("=Logged out",), "a mail session ended as it should", (), "imap/imap-client.c", LogKind.MAIL_ENDED
    ),
)
