"""The stores a lab's users are kept in: written as an administrator's tools would, read by a real Dovecot.

To add one, write its file and add a Kind to KINDS.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

from mailauth.errors import UsageError
from mailauth.lab.builds import Build
from mailauth.lab.stores.checkpassword import Checkpassword
from mailauth.lab.stores.imap import Imap
from mailauth.lab.stores.key_value import Dict
from mailauth.lab.stores.ldap import LdapStore
from mailauth.lab.stores.lua import Lua
from mailauth.lab.stores.oauth2 import Jwt, OAuth2
from mailauth.lab.stores.passwd_file import PasswdFile
from mailauth.lab.stores.sql import ServerStore, SqliteStore, SqlStore, server_store
from mailauth.lab.stores.store import Passdb, Site, Store, Users, Wish, share
from mailauth.lab.stores.system import Pam, Passwd, Shadow
from mailauth.records import dataclass

__all__ = [
    "KINDS",
    "STORES",
    "Jwt",
    "Passdb",
    "PasswdFile",
    "ServerStore",
    "Site",
    "SqlStore",
    "SqliteStore",
    "Store",
    "StoreKind",
    "Users",
    "Wish",
    "check_dialect",
    "share",
]


@dataclass(frozen=True, slots=True)
class StoreKind:
    """How a store is made, and what of Dovecot it needs.

    ``plugin``: the module, where the driver is not built in; ``package``: Debian's package with it.
    ``last``: the dialect that had the driver last, "" where each has it.
    ``keeps``: what a made-up password is kept as: hashed, as it is, or not at all, where the store makes it.
    """

    make: Callable[[Site], Store]
    plugin: str = ""
    package: str = ""
    last: str = ""
    keeps: Literal["hash", "secret", "nothing"] = "hash"


def _sql(make: Callable[[Site], Store], driver: str) -> StoreKind:
    return StoreKind(make, f"libdriver_{driver}.so", f"dovecot-{driver}")


def _ldap(make: Callable[[Site], Store]) -> StoreKind:
    return StoreKind(make, "auth/libauthdb_ldap.so", "dovecot-ldap")


KINDS: dict[str, StoreKind] = {
    "passwd-file": StoreKind(PasswdFile),
    "sqlite": _sql(SqliteStore, "sqlite"),
    "mysql": _sql(partial(server_store, "mysql"), "mysql"),
    "pgsql": _sql(partial(server_store, "pgsql"), "pgsql"),
    "ldap": _ldap(LdapStore),
    "ldap-bind": _ldap(partial(LdapStore, way="bind")),
    "ldap-template": _ldap(partial(LdapStore, way="template")),
    "ldap-starttls": _ldap(partial(LdapStore, tls="starttls")),
    "ldaps": _ldap(partial(LdapStore, tls="ldaps")),
    "pam": StoreKind(Pam),
    "passwd": StoreKind(Passwd),
    "shadow": StoreKind(Shadow, last="2.3"),
    "lua": StoreKind(Lua, "auth/libauthdb_lua.so", "dovecot-auth-lua"),
    "dict": StoreKind(Dict, last="2.3"),
    "checkpassword": StoreKind(Checkpassword, last="2.3"),
    "oauth2": StoreKind(OAuth2, keeps="secret"),
    "oauth2-jwt": StoreKind(Jwt, keeps="nothing"),
    "imap": StoreKind(Imap),
}


# Those that keep users in a file or a table: what mailauth itself reads and changes.
STORES = ("passwd-file", "sqlite", "mysql", "pgsql")


def check_dialect(store: str, build: Build) -> None:
    """Raise UsageError where that Dovecot has no such driver."""
    last = KINDS[store].last
    if last and build.version.dialect != last:
        raise UsageError(f"Dovecot {build.version} has no passdb {store}; {last} was the last that had it.")
