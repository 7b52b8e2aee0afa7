"""The model both dialects are read into: what Dovecot asks, in which order, and who verifies."""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from mailauth import digits
from mailauth.dovecot import drivers
from mailauth.dovecot.conf import Block
from mailauth.dovecot.version import Dialect, Version
from mailauth.records import dataclass

ServiceName = Literal["auth", "auth-worker"]
SQL_DRIVERS = ("pgsql", "mysql", "sqlite")  # each is a file of stores/
SERVICES: tuple[ServiceName, ...] = ("auth", "auth-worker")

# These block, so Dovecot gives them to a worker, which also verifies the hash.
# Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/passdb-*.c ("blocking"), driver-{mysql,sqlite}.c
# (SQL_DB_FLAG_BLOCKING); mysql, sqlite, pam, passwd, shadow, lua and dict measured.
OF_THE_SYSTEM = frozenset({"pam", "shadow", "passwd"})
"""Drivers whose users are the machine's accounts."""
BLOCKING_DRIVERS = frozenset({"mysql", "sqlite", "pam", "shadow", "passwd", "bsdauth", "lua", "dict"})
# Those of them that can be set not to go to the worker: by "blocking=no" in args (2.3), by
# passdb_use_worker = no (2.4).  Source: the preinit functions of 2.3.13 to 2.3.21.1; passdb_preinit() of
# 2.4.0 to 2.4.4 src/auth/passdb.c takes the setting, and passdb-sql.c alone goes to the worker all the same.
# Measured on 2.3.19.1 and 2.4.1, but for bsdauth.
_MAY_STAY: Mapping[Dialect, frozenset[str]] = {
    "2.3": frozenset({"shadow", "passwd", "bsdauth", "lua"}),
    "2.4": frozenset({"pam", "passwd", "bsdauth", "lua"}),
}
# These are never cached: the auth process holds the data itself.  Measured for passwd-file.
UNCACHED_DRIVERS = frozenset({"passwd-file", "static"})


@dataclass(frozen=True, slots=True)
class Service:
    """The limit of one service: ``vsz_limit`` in bytes (None: no limit), and where it is set."""

    name: ServiceName
    vsz_limit: int | None
    own: bool  # set for this service; else default_vsz_limit counts
    place: str  # "/etc/dovecot/conf.d/10-master.conf:101", or "default_vsz_limit"


@dataclass(frozen=True, slots=True)
class SqlSource:
    """How to reach the database that a passdb asks.  The parameters hold a password: no repr."""

    driver: str
    hosts: tuple[dict[str, str], ...] = field(repr=False)  # tried in turn; driver-specific keys
    query: str
    place: str  # the file that says so
    credentials: str = ""  # file and line of the server and its credentials, where they are known
    query_place: str = ""  # and of the query
    userdb: bool = False  # a userdb's, of whose query no password is asked
    refused: str = ""  # why the client library does not take the settings
    cut: tuple[str, ...] = ()  # lines ("file:12") that a "#" cuts short
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # of Dovecot's processes
    earlier: tuple[tuple[str, str], ...] = ()  # queries that a later line overrules, and their places


@dataclass(frozen=True, slots=True)
class FileSource:
    """A passwd-file; the path and the user name may hold variables."""

    path: str
    username_format: str


@dataclass(frozen=True, slots=True)
class StaticSource:
    """``passdb static``: one password for everyone, and 2.3's fields beside it.  None: it has none."""

    password: str | None = field(repr=False)
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)


Source = SqlSource | FileSource | StaticSource

_WITH_MAIL = frozenset({"imap", "pop3", "lmtp", "submission", "sieve"})
_PROXY = re.compile(r"(?:'[^']*'|\b[0-9]+)\s+(?:AS\s+)?[`\"]?proxy\b", re.IGNORECASE)  # a value of its own


@dataclass(frozen=True, slots=True)
class Passdb:
    """One passdb, numbered from 1 in Dovecot's order."""

    number: int
    driver: str  # "passwd-file", "mysql", "pgsql", "sqlite", "pam", ...: the SQL driver where it is SQL
    name: str
    default_scheme: str
    source: Source | None  # None: nothing that can be looked into
    source_problem: str  # why not, as a sentence
    verified_by: ServiceName
    hit_verified_by: ServiceName | None  # who verifies on a cache hit; None: never cached
    deny: bool = False
    master: bool = False
    skip: str = "never"
    mechanisms: str = ""
    username_filter: str = ""
    result_success: str = "return-ok"
    result_failure: str = "continue"
    result_internalfail: str = "continue"
    # 2.3's pass=yes is result_success=continue.  Fields that are there before the lookup (2.3), and after it.
    default_fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    override_fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    import_all: bool = True  # 2.4's fields_import_all: what the store returns counts as well
    scheme_set: bool = False  # the default scheme stands in the configuration, and goes along in an upgrade
    how: str = ""  # of ldap: "bind" where the server verifies, "lookup" where Dovecot does
    places: tuple[tuple[str, str], ...] = field(
        default=(), repr=False
    )  # setting: file and line; "": the block

    @property
    def label(self) -> str:
        return f"passdb {self.number} ({self.driver})"

    def takes(self, mechanism: str) -> bool:
        """Whether it is asked for this mechanism: auth_request_mechanism_accepted(), auth-request.c."""
        named = self.mechanisms.upper().replace(",", " ").split()
        return not named or mechanism in named

    def set_before(self, dialect: Dialect) -> tuple[tuple[str, str], ...]:
        """The default_fields as far as Dovecot sets them: 2.3's worker makes the lookup without.

        Source: auth_request_verify_plain_continue(), 2.3.19.1 src/auth/auth-request.c; measured.
        """
        return () if dialect == "2.3" and self.verified_by == "auth-worker" else self.default_fields

    @property
    def proxies(self) -> bool:
        """Whether its block, or its query, sends everyone whom it lets in on to another server."""
        source = self.source
        fields = (*self.override_fields, *self.default_fields)
        fields += source.fields if isinstance(source, StaticSource) else ()
        if any(name == "proxy" for name, _ in fields):
            return True
        return isinstance(source, SqlSource) and _PROXY.search(source.query) is not None

    def place_of(self, *names: str) -> str:
        """File and line of the first of these settings that its block has, else of the block; or ""."""
        places = dict(self.places)
        return next((places[name] for name in (*names, "") if name in places), "")

    @property
    def has_rows(self) -> bool:
        """Whether all that it has stored can be read: from a file, a table, or a directory."""
        return self.source is not None or self.how == "lookup"

    @property
    def changeable(self) -> bool:
        """Whether mailauth knows where its users' strings are, each in a place of its own."""
        return isinstance(self.source, SqlSource | FileSource) or self.how == "lookup"

    @property
    def unread(self) -> drivers.Unread:
        """What is not known of a passdb that has no source."""
        return drivers.unread(self.driver, self.how)


@dataclass(frozen=True, slots=True)
class Userdb:
    """One userdb, numbered from 1 in Dovecot's order; ``source``: the file or query that it asks."""

    number: int
    driver: str
    name: str
    source: FileSource | SqlSource | None = None
    fields: tuple[str, ...] = ()  # the templates of the fields that it sets itself
    sets: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # the same by name, in Dovecot's order
    skip: str = "never"
    result_success: str = "return-ok"
    result_failure: str = "continue"

    @property
    def label(self) -> str:
        return f"userdb {self.number} ({self.driver})"


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """What of Dovecot's configuration decides a login."""

    version: Version
    file: str
    base_dir: str
    passdbs: tuple[Passdb, ...]
    services: dict[ServiceName, Service]
    cache_size: int
    cache_verify_with_worker: bool
    allow_weak: bool
    username_chars: str
    username_translation: str
    username_format: str
    default_realm: str
    master_separator: str
    tree: Block = field(repr=False)  # all that doveconf says, for what has no field of its own
    # The same with what each protocol sets for itself in a block of its own, whatever service is meant.
    whole: Block = field(default=Block("", "", (), ()), repr=False)
    userdbs: tuple[Userdb, ...] = ()
    protocols: tuple[str, ...] = ()  # none: Dovecot only authenticates
    mechanisms: tuple[str, ...] = ()  # in capitals
    config_version: Version | None = None  # 2.4's dovecot_config_version; many defaults follow it

    @property
    def without_userdb(self) -> str:
        """Why no login asks a userdb; "" where they do."""
        if not _WITH_MAIL & set(self.protocols):
            return "no protocol of this Dovecot opens mail"
        asked = [one for one in self.passdbs if not one.deny and not one.master]
        every = bool(asked) and all(one.proxies for one in asked)
        return "every login goes on to another server (proxy), and asks no userdb" if every else ""

    def sessions_from_address(self, protocol: str) -> int:
        """How many sessions of the protocol a user may have from one address; 0: no limit.

        Source: Dovecot 2.3.19.1 and 2.4.1 src/login-common/login-settings.c (10, the default), sasl-server.c
        """
        name = "mail_max_userip_connections"
        text = self.tree.get(name, "10")
        for block in self.tree.all("protocol"):
            if block.name == protocol:
                text = block.get(name, text)
        return digits.number(text) or 0  # "unlimited"

    def runs_as(self, service: str) -> str:
        """The user that the processes of a service run as; "root" where none is named.

        Source: Dovecot 2.3.19.1 and 2.4.1 src/auth/auth-settings.c: auth is given default_internal_user,
        auth-worker none.
        """
        own = "$default_internal_user" if service == "auth" else ""
        for block in self.tree.all("service"):
            if block.name == service:
                own = block.get("user", own)
        if own.removeprefix("$SET:").removeprefix("$") == "default_internal_user":
            own = self.tree.get("default_internal_user", "dovecot")
        return own or "root"


def who_verifies(
    driver: str,
    *,
    use_worker: bool,
    use_cache: bool,
    cache_with_worker: bool,
    stays: Dialect | None = None,
) -> tuple[ServiceName, ServiceName | None]:
    """The process that verifies on a lookup, and the one on a cache hit (None: never cached).

    Measured on 2.3.19.1 and 2.4.1: 2.4's ``passdb_use_worker=yes`` moves a driver to the worker,
    ``=no`` does not take mysql or sqlite out of it.  ``stays``: the dialect by whose setting the driver is
    not to go to the worker (2.3 ``blocking=no``, 2.4 ``passdb_use_worker=no``); those of _MAY_STAY obey.
    """
    blocks = driver in BLOCKING_DRIVERS and not (stays and driver in _MAY_STAY[stays])
    miss: ServiceName = "auth-worker" if use_worker or blocks else "auth"
    if not use_cache or driver in UNCACHED_DRIVERS:
        return miss, None
    return miss, "auth-worker" if cache_with_worker else "auth"
