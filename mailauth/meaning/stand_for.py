"""Which findings a message of Dovecot's log can stand for.  Pure.

First by words of the message, then by what a rule's own "What you see" says, then by the reason of the
failure and by the kind of the event.  Each list begins with what is met most.
"""

import re
from functools import cache

from mailauth.dovecot.messages import LogKind, Message, Why
from mailauth.finding import Rule
from mailauth.rules import RULES

_MISMATCH = ("PASS001", "MEM001", "MEM002", "HASH001", "HASH004", "HASH005", "HASH006", "HASH012")
_UNKNOWN = ("USER001", "USER004", "USER014", "USER007", "LDAP005")
_SQL = ("DB001", "DB002", "DB003", "DB004", "DB007", "DB008", "DB006", "DB005", "CONF003", "CONF004")
_CONNECT = ("DB001", "DB002", "DB006", "DB011", "DB013", "DB014", "DB012")
_SCHEME = ("HASH003", "HASH013", "HASH014", "HASH030", "CONF006")
_DAMAGED = ("HASH001", "HASH005", "HASH006", "HASH010", "HASH012", "HASH019", "HASH031", "HASH032")
_UNREADABLE = ("CONF012", "CONF015")
_START = ("AUTH014", "CONF019", "CONF018", "LUA001", "MEM006")
_DRIVER = ("CONF009", "AUTH014")
_MAIL = ("USERDB004", "USERDB002", "AUTH013")

DISABLED = ("USER005", "USER007", "USER009", "ACCT001", "ACCT002", "PAM002", "LDAP007")
REFUSED = ("PASS001", "MEM001", "HASH001", "USER001", "USER004", "USER002", *DISABLED, "HASH002", "USER006")
TEMPORARY = (*_CONNECT, *_SQL[2:6], "LDAP001", "AUTH017", "AUTH012", "CONF012", "CONF020", "LUA002", "LUA003",
             "USERDB001", "USERDB005", "HASH034", "CONF003", "CONF004")  # fmt: skip

# Some words of the message, and the findings; the first that fits counts.
_OF_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Lua, before what its messages quote of others
    ("is not a function", ("LUA002",)),
    ("invalid return value", ("LUA003",)),
    ("invalid error return value", ("LUA003",)),
    ("-lua: lua_pcall", ("LUA002", "LUA003", "AUTH017")),
    ("lua: initialization failed", ("LUA001",)),
    ("Lua script '", ("LUA001",)),
    ("script_init()", ("LUA001",)),
    ("Missing mandatory file=", ("LUA001",)),
    ("-lua: ", ("LUA004", "AUTH017")),
    # PAM and the system's accounts
    ("pam_authenticate() failed: Module", ("PAM001", "PAM002")),
    ("pam_authenticate() failed: User not known", ("USER001", "PAM002", "PAM001")),
    ("pam_authenticate()", ("PASS001", "PAM002", "PAM001", "ACCT001", "ACCT003", "MEM001")),
    ("pam_acct_mgmt()", ("ACCT002", "PAM002", "PAM001")),
    ("pam: Unknown setting", _START),
    ("pam_", ("PAM001", "PAM002")),
    ("getpwnam()", ("ACCT004", "USERDB005")),
    ("invalid password field", ("ACCT001", "ACCT004", "HASH001")),
    # what else is asked
    ("oauth2 failed", ("AUTH024", "AUTH017", "AUTH022", "AUTH023", "AUTH020")),
    ("Login failed (status", ("PASS001", "AUTH020")),
    ("user not authenticated", ("PASS001", "AUTH020")),
    ("[AUTHENTICATIONFAILED]", ("PASS001", "AUTH020")),
    # directories
    ("ldap %: ", _START),
    ("LDAP%: ", _START),
    ("multiple entries", ("LDAP002",)),
    ("matched multiple objects", ("LDAP002",)),
    ("ldap_search%failed", ("LDAP003", "LDAP001")),
    ("ldap_bind", ("LDAP006", "LDAP007", "LDAP010", "LDAP001")),
    ("ldap_sasl_bind", ("LDAP006", "LDAP007", "LDAP010", "LDAP001")),
    ("LDAP", ("LDAP001", "AUTH017")),
    ("ldap", ("LDAP001", "AUTH017")),
    ("binding failed (dn", ("LDAP001",)),
    ("Can't connect to server", ("LDAP001", "AUTH017")),
    # databases
    ("Connect failed to database%Access denied", ("DB002", "DB012")),
    ("Connect failed to database%password", ("DB002", "DB012")),
    ("Connect failed to database%no pg_hba", ("DB002", "DB001", "DB012")),
    ("Connect failed", _CONNECT),
    ("PQsetnonblocking", _CONNECT),
    ("a field named 'password'", ("DB010", "HASH036")),
    ("Password query returned multiple matches", ("USER008",)),
    ("Query failed", _SQL),
    ("Password query failed", _SQL),
    ("User query failed", ("USERDB005", *_SQL[:6])),
    # files
    ("missing passwd file", ("CONF015", "USER001")),
    ("open(%) failed", ("DB009", "CONF012")),
    ("passwd-file %", _UNREADABLE),
    # the stored string
    ("nknown scheme", _SCHEME),
    ("% scheme, but we have", ("AUTH003",)),
    ("Weak password scheme", ("HASH002",)),
    ("Password data is not valid", _DAMAGED),
    ("Invalid password% in passdb", _DAMAGED),
    ("has invalid password", _DAMAGED),
    ("No password returned", ("USER002", "LDAP004")),
    ("Cached NULL password", ("AUTH004",)),
    # the user
    ("deny passdb", ("USER009",)),
    ("assword expired", ("ACCT002", "PAM002", "LDAP007")),
    ("illegal chars", ("PASS010",)),
    ("master login", ("USER010",)),
    ("authorization failed", ("USER010",)),
    ("All password databases were skipped", ("USER012",)),
    ("noauthenticate", ("USER012",)),
    ("changed to empty", ("USER011",)),
    ("authentication failed", ("PASS001", "AUTH020")),
    ("invalid response", ("PASS001", "AUTH020")),
    # after the password
    ("user not found from", ("USERDB001",)),
    ("passdb didn't return userdb", ("USERDB005",)),
    ("only userdb prefetch", ("USERDB005",)),
    ("doesn't support lookups", ("USERDB005",)),
    ("Invalid UID", ("USERDB005", "USERDB006")),
    ("Invalid GID", ("USERDB005", "USERDB006")),
    ("Mail access", ("USERDB003",)),
    ("returned 0 as uid", ("USERDB003",)),
    ("User is missing", ("USERDB006",)),
    ("drop privileges", ("USERDB006", "USERDB003")),
    ("doesn't have home dir", ("USERDB002",)),
    ("mail storage", _MAIL),
    ("autodetection failed", _MAIL),
    ("amespace", _MAIL),
    ("INBOX", _MAIL),
    ("chdir(", _MAIL),
    ("mkdir(", _MAIL),
    ("Internal login failure", ("AUTH013", "AUTH012")),
    ("user+IP exceeded", ("AUTH019",)),
    # settings and processes
    ("ailed to expand", ("CONF024", "CONF003", "CONF004")),
    ("auth_passdb_post", ("CONF024", "LDAP004")),
    ("disallowed plaintext", ("AUTH002",)),
    ("disallowed cleartext", ("AUTH002",)),
    ("unsupported auth mechanism", ("CONF010", "AUTH023", "AUTH003")),
    ("authentication mechanism", ("CONF010",)),
    ("mechanism can't be supported", ("CONF010", "AUTH023")),
    ("No passdbs specified", ("CONF014",)),
    ("passdb driver", _DRIVER),
    ("userdb driver", _DRIVER),
    ("not compiled in", _DRIVER),
    ("Couldn't load plugin", _DRIVER),
    ("sees different passdbs", ("CONF016",)),
    ("connect worker", ("CONF020",)),
    ("net_connect_unix(", ("CONF020", "CONF017")),
    ("master socket", ("AUTH018",)),
    ("error 83", ("MEM006", "MEM001")),
    ("failed to map segment", ("MEM006",)),
    ("onfiguration", ("CONF019", "CONF001", "CONF002", "CONF008")),
    ("listen(", ("CONF018", "NET001")),
    ("already running", ("CONF018",)),
    ("timed out after", ("AUTH012", "HASH034", "AUTH017")),
    ("auth service reported temporary failure", TEMPORARY),
)
_OF_WHY: dict[Why, tuple[str, ...]] = {
    Why.MISMATCH: _MISMATCH,
    Why.UNKNOWN: _UNKNOWN,
    Why.NOT_TOLD: REFUSED,
    Why.DISABLED: DISABLED,
    Why.ADDRESS: ("USER006",),
    Why.NAME: ("USER003",),
    Why.SERVER: ("AUTH017", "AUTH022", "AUTH020"),
    Why.POLICY: ("AUTH020", "AUTH017"),
}
_OF_KIND: dict[LogKind, tuple[str, ...]] = {
    LogKind.FAILED: ("AUTH020",),
    LogKind.LOGIN_FAILED: ("AUTH020",),
    LogKind.QUEUED: ("AUTH007", "AUTH010", "HASH027", "DB005"),
    LogKind.LIMIT: ("AUTH008", "AUTH009"),
    LogKind.CRASHED: ("AUTH011", "MEM007", "LDAP009"),
    LogKind.PANIC: ("AUTH011", "LDAP009"),
    LogKind.ABORTED: ("AUTH012", "HASH034", "AUTH017"),
    LogKind.NOT_RESPONDING: ("AUTH012", "AUTH010"),
    LogKind.NO_START: _START,
    LogKind.BACKEND: ("AUTH017",),
    LogKind.MAIL_FAILED: ("AUTH013",),
    LogKind.TLS_FAILED: ("NET007",),
    LogKind.NO_PROXY: ("NET010",),
}
_TELLING = 11  # letters of a message that a rule's text quotes


@cache
def symptoms() -> dict[str, str]:
    """What each rule says that is seen, in small letters and on one line, by its code."""
    return {
        rule.code: " ".join(
            rule.explanation.partition("What you see")[2].partition("\nWhy\n")[0].split()
        ).casefold()
        for rule in RULES
    }


def literals(row: Message) -> list[str]:
    """The parts of a message that are Dovecot's and do not vary."""
    return [part for part in re.split("%!?", row.words) if part.strip()]


def of_message(row: Message) -> list[Rule]:
    """The findings that a row of the catalogue can stand for, the likeliest first; none of a harmless one."""
    if row.kind is LogKind.OTHER:
        return []
    for words, codes in _OF_WORDS:
        if words in row.words:
            return by_code(codes)
    part = max((part.strip().casefold() for part in literals(row)), key=len, default="")
    quoting = [code for code, seen in symptoms().items() if part in seen] if len(part) >= _TELLING else []
    of_the_kind = () if row.kind in (LogKind.FAILED, LogKind.LOGIN_FAILED) else _OF_KIND.get(row.kind, ())
    return by_code((*_OF_WHY.get(row.why, ()), *of_the_kind, *quoting)) or of_kind(row.kind)


def of_kind(kind: LogKind) -> list[Rule]:
    """The findings that such an event can stand for, whatever its words."""
    return by_code(_OF_KIND.get(kind, ()))


def by_code(codes: tuple[str, ...]) -> list[Rule]:
    """The rules of these codes, each once.  Raises KeyError for a code that there is not."""
    table = {rule.code: rule for rule in RULES}
    return [table[code] for code in dict.fromkeys(codes)]
