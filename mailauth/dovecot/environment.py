"""The environment of Dovecot's own processes: what ``import_environment`` lets through.

Not ours: a variable that an administrator's shell has is nothing that Dovecot has.

Source: Dovecot 2.3.19.1 and 2.4.1 src/master/master-settings.c (import_environment), service-process.c;
master_service_import_environment(), src/lib-master/master-service.c.
"""

import os
import re

from mailauth.dovecot import conf
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.errors import CannotObserve

_OF_CLIENTS = ("PG", "MYSQL_", "MARIADB_", "LDAP", "KRB5", "OPENSSL_", "SSL_CERT_")
_ITSELF = re.compile(r"%\{env:([^}]+)\}")
# Dovecot's default: what these hold is in nobody's query
_USUAL = frozenset(
    {
        *("TZ", "CORE_OUTOFMEM", "CORE_ERROR", "LISTEN_PID", "LISTEN_FDS", "NOTIFY_SOCKET"),
        *("SSLKEYLOGFILE", "MALLOC_MMAP_THRESHOLD_", "PATH"),
    }
)


def environment(config: AuthConfig) -> dict[str, str]:
    """``env:NAME`` for each variable that import_environment sets; "env:" where these are all there are.

    A name without a value comes from whoever started Dovecot, which is not known here.
    """
    imported = _imported(config.tree)
    found = {f"env:{name}": value for name, value in imported.items() if value is not None}
    handed_on = {name for name, value in imported.items() if value is None} - _USUAL
    return found if handed_on else found | {"env:": ""}


def given(tree: conf.Block) -> dict[str, str]:
    """The variables that the configuration itself gives a value."""
    return {name: value for name, value in _imported(tree).items() if value is not None}


def take_on(tree: conf.Block) -> None:
    """From now on, and for good, what database clients look for in our environment is what Dovecot's find.

    PGHOSTADDR or MYSQL_UNIX_PORT of whoever called us (sudo may keep them) would lead a change to another
    server than Dovecot's.  PGPASSFILE stays: it counts where no password is named, and for a --url, too.
    Root's HOME goes as well, which is a user's where sudo keeps it: in it is .my.cnf, whose init-command
    would be run in Dovecot's database.  An ordinary user's own state is there.
    """
    if os.geteuid() == 0:
        os.environ.pop("HOME", None)
    for name in [one for one in os.environ if one.startswith(_OF_CLIENTS) and one != "PGPASSFILE"]:
        del os.environ[name]
    os.environ.update({name: text for name, text in given(tree).items() if name.startswith(_OF_CLIENTS)})


def value(name: str, tree: conf.Block) -> str:
    """What Dovecot finds under that name; "" for nothing.

    Raises CannotObserve where it comes from the environment in which Dovecot was started: Dovecot writes
    over that, so that /proc does not show it.
    """
    imported = _imported(tree)
    if name not in imported:
        return ""
    found = imported[name]
    if found is None:
        raise CannotObserve(
            f"{name} comes from the environment in which Dovecot was started, which cannot be seen;"
            f" give it a value in import_environment."
        )
    return found


def _imported(tree: conf.Block) -> dict[str, str | None]:
    """Each variable that is let through; None where its value is that of whoever started Dovecot.

    2.3 has a list of words, 2.4 a block.
    """
    words = (word.partition("=") for word in tree.get("import_environment").split())
    found = {name: text if equals else None for name, equals, text in words}
    for block in tree.all("import_environment"):
        for setting in block.settings:
            itself = not setting.value or _ITSELF.search(setting.value)
            found[setting.name] = None if itself else setting.value
    return found


def of_this_machine() -> dict[str, str]:
    """What all lookups of a Dovecot on this machine share."""
    system = os.uname()
    return {
        "hostname": system.nodename,
        "system:hostname": system.nodename,
        "system:os": system.sysname,
        "system:os-version": system.release,
        "dovecot:name": "Dovecot",
    }
