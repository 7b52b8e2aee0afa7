"""What Dovecot answers a client whose login fails, and what it comes to.  Pure.

Source: Dovecot 2.3.19.1 and 2.4.1 src/imap-login/client-authenticate.c, src/pop3-login/client.c,
src/submission-login/client-authenticate.c, src/login-common/login-common.h and client-common.h,
src/lib-imap/imap-resp-code.h, src/managesieve-login/client-authenticate.c.
"""

from mailauth.meaning.stand_for import DISABLED, REFUSED, TEMPORARY
from mailauth.meaning.words import SaidWords

_REFUSED = (
    "the login was refused; a client gets the same words for a wrong password, an unknown user and a hash for"
    " which there was no memory"
)
_TEMPORARY = "Dovecot cannot say whether the password is right: what it asks does not answer, or refuses"
CLIENT_WORDS: tuple[SaidWords, ...] = (
    SaidWords(("Temporary authentication failure", "[UNAVAILABLE]", "[SYS/TEMP]", "(TRYLATER)",
               "454 4.7.0"), _TEMPORARY,
                TEMPORARY, "login-common.h"),
    SaidWords(("[PRIVACYREQUIRED]", "ENCRYPT-NEEDED", "Plaintext authentication disallowed",
                 "Cleartext authentication disallowed", "Plaintext authentication not allowed"),
              "without TLS no password is taken", ("AUTH002",), "login-common.h"),
    SaidWords(("Unsupported authentication mechanism",),
              "the client asked for a mechanism that this server does not offer", ("AUTH003", "CONF010"),
              "client-authenticate.c"),
    SaidWords(("[AUTHORIZATIONFAILED]",), "auth lets the user in, and not as that other user", ("USER010",),
              "client-authenticate.c"),
    SaidWords(("[EXPIRED]",), "the password has expired", ("ACCT002", "PAM002", "LDAP007"),
              "client-authenticate.c"),
    SaidWords(("[CONTACTADMIN]",), "the user is disabled", DISABLED, "client-authenticate.c"),
    SaidWords(("[LIMIT]",), "the user has as many sessions from that address as"
              " mail_max_userip_connections allows", ("AUTH019",), "2.4 client-authenticate.c"),
    SaidWords(("[SERVERBUG]", "Internal error occurred"),
              "auth took the login, and the mail session cannot begin",
                ("AUTH013", "USERDB002", "USERDB003", "USERDB004", "USERDB006"), "imap-resp-code.h"),
    SaidWords(("Waiting for authentication process to respond",
                 "Waiting for authentication master process to respond"),
              "the login process has no answer from auth", ("AUTH014", "CONF017", "AUTH012", "AUTH010"),
              "client-common.h"),
    SaidWords(("Logging in too fast", "[IN-USE]"), "the mailbox is locked by another session of the user", (),
              "pop3-login/client.c"),
    SaidWords(("Invalid characters in username",),
              "the name has a character that auth_username_chars refuses",
                ("USER003",), "client-authenticate.c"),
    SaidWords(("[AUTHENTICATIONFAILED]", "-ERR [AUTH]", "[AUTH] Authentication failed",
                 "Authentication credentials invalid"),
                _REFUSED, REFUSED, "client-authenticate.c"),
)  # fmt: skip
