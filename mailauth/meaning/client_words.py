"""What mail clients and Postfix show when a login fails, and what it comes to.  Pure.

Source: Dovecot 2.3.19.1 and 2.4.1 src/imap-login/client-authenticate.c, src/pop3-login/client.c,
src/submission-login/client-authenticate.c, src/login-common/login-common.h and client-common.h,
src/lib-imap/imap-resp-code.h; Postfix 3.10 src/smtpd/smtpd_sasl_glue.c, src/xsasl/xsasl_dovecot_server.c.
"""

from typing import NamedTuple

from mailauth.meaning.stand_for import DISABLED, REFUSED, TEMPORARY


class ClientWords(NamedTuple):
    """Any of ``words``; what it comes to; the findings that it can stand for."""

    words: tuple[str, ...]
    says: str
    codes: tuple[str, ...]
    source: str


_REFUSED = (
    "the login was refused; a client gets the same words for a wrong password, an unknown user and a hash for"
    " which there was no memory"
)
_TEMPORARY = "Dovecot cannot say whether the password is right: what it asks does not answer, or refuses"
CLIENT_WORDS: tuple[ClientWords, ...] = (
    ClientWords(("Temporary authentication failure", "[UNAVAILABLE]", "[SYS/TEMP]", "454 4.7.0"), _TEMPORARY,
                TEMPORARY, "login-common.h"),
    ClientWords(("[PRIVACYREQUIRED]", "Plaintext authentication disallowed",
                 "Cleartext authentication disallowed"),
                "without TLS no password is taken", ("AUTH002",), "login-common.h"),
    ClientWords(("Unsupported authentication mechanism",),
                "the client asked for a mechanism that this server does not offer", ("AUTH003", "CONF010"),
                "client-authenticate.c"),
    ClientWords(("[AUTHORIZATIONFAILED]",), "auth lets the user in, and not as that other user", ("USER010",),
                "client-authenticate.c"),
    ClientWords(("[EXPIRED]",), "the password has expired", ("ACCT002", "PAM002", "LDAP007"),
                "client-authenticate.c"),
    ClientWords(("[CONTACTADMIN]",), "the user is disabled", DISABLED, "client-authenticate.c"),
    ClientWords(("[LIMIT]",), "the user has as many sessions from that address as"
                " mail_max_userip_connections allows", ("AUTH019",), "2.4 client-authenticate.c"),
    ClientWords(("[SERVERBUG]", "Internal error occurred"),
                "auth took the login, and the mail session cannot begin",
                ("AUTH013", "USERDB002", "USERDB003", "USERDB004", "USERDB006"), "imap-resp-code.h"),
    ClientWords(("Waiting for authentication process to respond",
                 "Waiting for authentication master process to respond"),
                "the login process has no answer from auth", ("AUTH014", "CONF017", "AUTH012", "AUTH010"),
                "client-common.h"),
    ClientWords(("SASL: Connect to", "no SASL authentication mechanisms"), "Postfix does not reach auth",
                ("AUTH018", "CONF018"), "Postfix xsasl_dovecot_server.c"),
    ClientWords(("[AUTHENTICATIONFAILED]", "-ERR [AUTH]", "[AUTH] Authentication failed", "535 5.7.8",
                 "SASL LOGIN authentication failed", "SASL PLAIN authentication failed",
                 "Error: authentication failed", "Authentication credentials invalid"),
                _REFUSED, REFUSED, "client-authenticate.c"),
)  # fmt: skip


def shown_by_clients(text: str) -> tuple[ClientWords, str] | None:
    """The row of which the text has some words, and which; of several the first row: its words say more."""
    folded = text.casefold()
    found = ((row, words) for row in CLIENT_WORDS for words in row.words if words.casefold() in folded)
    return next(found, None)
