"""The groups of findings, and what each is about; bin/docs reads it without what the tests need."""

GROUPS = (
    ("MEM", "memory: limits of the process that verifies, caches, control groups, RAM"),
    ("HASH", "the stored string: cut off, padded, quoted, misnamed, foreign, weak, open to anyone"),
    ("PASS", "the password given: wrong, or right but for case, blanks, keyboard, charset, length"),
    ("USER", "the user: unknown, spelled otherwise, refused, disabled, restricted, twice"),
    ("CONF", "settings: of the other version, literal variables, drivers, mechanisms, files"),
    ("AUTH", "authentication: no TLS, mechanisms, stale caches, penalties, queues, crashes"),
    ("DB", "the database: down, credentials, tables, columns, permissions, slow, full"),
    ("PAM", "PAM: its service and modules, and what lets any password in"),
    ("ACCT", "the system's accounts: locked, expired, a hash that cannot be read"),
    ("LDAP", "the directory: no answer, several entries, a wrong base, no password, no entry"),
    (
        "LUA",
        "Lua scripts: not loaded, without the function, a value that is not taken, what a run says",
    ),
    ("USERDB", "after the password: no user, home, uid, permissions"),
    ("NET", "the network: nothing listens, certificates, routes, forwarding, filters"),
    ("LOG", "the log: clients that retry for ever, disks, logs that go nowhere"),
    ("STORE", "whole stores (`checkup`): rows that cannot match, are refused, are weak, do not fit"),
    ("UPG", "upgrades (`checkup --as-if`): settings that the other version refuses"),
)


def group_of(code: str) -> str:
    return code.rstrip("0123456789")
