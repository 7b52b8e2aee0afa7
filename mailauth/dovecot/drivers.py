"""The drivers of passdbs and userdbs: where each is to be had, and what of a passdb's answer can be seen.

Source: passdbs_init() and userdbs_init(), Dovecot 2.3.13 to 2.4.1 src/auth/passdb.c, userdb.c; main_init() of
src/auth/main.c loads plugins named authdb_*; Makefile.am names them.  "dovecot --build-options" lists those
that configure can leave out, and neither dict, static, oauth2, imap nor lua (measured, 2.3.13 to 2.4.5).
"""

from collections.abc import Mapping
from enum import Enum

from mailauth.dovecot.version import Dialect
from mailauth.records import dataclass


class Home(Enum):
    """Where a driver is, when it is there."""

    ALWAYS = "in every auth"
    LISTED = "in auth, if the build options list it"
    PLUGIN = "in a plugin of its own, beside auth"


_BOTH: tuple[Dialect, ...] = ("2.3", "2.4")
_OLD: tuple[Dialect, ...] = ("2.3",)

# The driver's home, and the dialects that have it.
_PASSDBS: Mapping[str, tuple[Home, tuple[Dialect, ...]]] = {
    "passwd": (Home.LISTED, _BOTH),
    "passwd-file": (Home.LISTED, _BOTH),
    "pam": (Home.LISTED, _BOTH),
    "sql": (Home.LISTED, _BOTH),
    "bsdauth": (Home.LISTED, _BOTH),
    "shadow": (Home.LISTED, _OLD),
    "checkpassword": (Home.LISTED, _OLD),
    "dict": (Home.ALWAYS, _OLD),
    "static": (Home.ALWAYS, _BOTH),
    "oauth2": (Home.ALWAYS, _BOTH),
    "ldap": (Home.PLUGIN, _BOTH),
    "lua": (Home.PLUGIN, _BOTH),
    "imap": (Home.PLUGIN, _BOTH),
}
_USERDBS: Mapping[str, tuple[Home, tuple[Dialect, ...]]] = {
    "passwd": (Home.LISTED, _BOTH),
    "passwd-file": (Home.LISTED, _BOTH),
    "sql": (Home.LISTED, _BOTH),
    "checkpassword": (Home.LISTED, _OLD),
    "dict": (Home.ALWAYS, _OLD),
    "prefetch": (Home.ALWAYS, _BOTH),
    "static": (Home.ALWAYS, _BOTH),
    "ldap": (Home.PLUGIN, _BOTH),
    "lua": (Home.PLUGIN, _BOTH),
}


def home(kind: str, driver: str, dialect: Dialect) -> Home | None:
    """Where a driver of ``kind`` ("passdb", "userdb") is; None where this dialect has none of the name."""
    found = (_PASSDBS if kind == "passdb" else _USERDBS).get(driver)
    return found[0] if found and dialect in found[1] else None


def plugin(driver: str) -> str:
    """The file of a driver's plugin in the folder of auth's plugins."""
    return f"libauthdb_{driver}.so"


class Question(Enum):
    """What stays open of a passdb that was not looked into."""

    USER = "whether it has the user"
    PASSWORD = "whether the password is right"  # noqa: S105 - a question
    STRING = "whether a password can match what it has stored"
    MEMORY = "whether verifying fits into the process"
    DATABASE = "whether its database answers"


@dataclass(frozen=True, slots=True)
class Unread:
    """A passdb driver that mailauth does not look into yet.

    ``answers``: what it gives Dovecot; ``tells``: where its own reason stands; ``open``: what
    stays open, for what it may hold; ``stops``: it can end the login for a disabled or expired
    user, so that no later passdb is asked (USER_DISABLED, PASS_EXPIRED).  ``says``: all of it, in
    words of its own.
    """

    what: str
    answers: str
    tells: str
    open: tuple[Question, ...]
    stops: bool = False
    says: str = ""

    @property
    def problem(self) -> str:
        if self.says:
            return self.says
        return f"mailauth does not look into {self.what} yet ({self.answers}); {self.tells}"


_ASKED = (Question.USER, Question.PASSWORD)
_READ = (*_ASKED, Question.STRING, Question.MEMORY)  # a stored string comes, and Dovecot verifies it
_LOG = "Dovecot's log has what it says of a login, with auth_verbose = yes"

# What each returns.  Source: verify_plain() and lookup_credentials() of src/auth/passdb-*.c, 2.3.19.1 and
# 2.4.1; measured on both, but for bsdauth.
_UNREAD: Mapping[str, Unread] = {
    "pam": Unread(
        "all accounts that PAM asks about",
        "which says yes or no itself, with the worker's memory",
        "why it says no stands in the system's log of authentication (auth.log, or the journal); mailauth"
        " diagnose -p --ask-pam USER asks it once",
        (*_ASKED, Question.MEMORY),
        stops=True,
    ),
    "ldap": Unread(
        "the passwords of LDAP",
        "which returns the stored string, or takes a bind where auth_bind = yes",
        _LOG,
        _READ,
    ),
    "ldap, bind": Unread(
        "the passwords of LDAP",
        "whose server verifies, by a bind",
        _LOG,
        _ASKED,
        says="its server verifies, by a bind, and hands out no stored string; mailauth diagnose -p USER"
        " makes one bind and says what the server answers",
    ),
    "ldap, lookup": Unread(
        "all entries of LDAP", "which returns the stored string, for Dovecot to verify", _LOG, _READ
    ),
    "lua": Unread(
        "what a Lua script answers",
        "yes or no, or a stored string; mailauth diagnose --ask-lua USER runs it, without any rights",
        _LOG,
        _READ,
        stops=True,
    ),
    "dict": Unread("a dict", "which returns the stored string, for Dovecot to verify", _LOG, _READ),
    "shadow": Unread(
        "/etc/shadow as a whole",
        "which returns the stored string, for Dovecot to verify",
        _LOG,
        _READ,
        stops=True,
    ),
    "passwd": Unread(
        "/etc/passwd as a whole",
        "which returns the stored string, for Dovecot to verify",
        _LOG,
        _READ,
        stops=True,
    ),
    "sql": Unread(
        "SQL", "which returns the stored string, for Dovecot to verify", _LOG, (*_READ, Question.DATABASE)
    ),
    "bsdauth": Unread("bsdauth", "which says yes or no itself", _LOG, _ASKED),
    "checkpassword": Unread("checkpassword", "whose program says yes or no", _LOG, _ASKED),
    "imap": Unread("another IMAP server", "which says yes or no itself", _LOG, _ASKED),
    "oauth2": Unread(
        "OAuth2",
        "whose server says whether a token is valid",
        "mailauth diagnose --mechanism XOAUTH2 -p USER takes a token for a password, and judges it",
        _ASKED,
    ),
}


def unread(driver: str, how: str = "") -> Unread:
    """``how``: "bind" or "lookup" of ldap, where that is known."""
    found = _UNREAD.get(f"{driver}, {how}") or _UNREAD.get(driver)
    return found or Unread(f"the driver {driver!r}", "which it does not know", _LOG, _READ, stops=True)
