"""What the passdbs of the drivers oauth2, imap, dict and checkpassword ask, and where that is set.

Source: Dovecot 2.3.19.1 src/auth/db-oauth2.c (setting_defs, db_oauth2_lookup()), passdb-imap.c
(passdb_imap_preinit()), db-dict.c, src/lib-dict-backend/dict-redis.c, src/lib-dict/dict-client.c,
passdb-checkpassword.c; 2.4.1 src/auth/db-oauth2.c, passdb-imap.c.
"""

from enum import Enum
from urllib.parse import urlsplit

from mailauth import digits
from mailauth.dovecot import sqlfile
from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.dovecot.conf import Block
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.oauth2 import Trust
from mailauth.dovecot.oauth2_settings import keys_folder, trust_of_23, trust_of_24
from mailauth.dovecot.v24 import effective
from mailauth.errors import CannotObserve
from mailauth.records import dataclass

DRIVERS = ("oauth2", "imap", "dict", "checkpassword")
GRANT = "grant_url"  # by which a passdb oauth2 takes a password for a token
_URLS = ("tokeninfo_url", "introspection_url", GRANT)
_PORTS = {"http": 80, "https": 443}


class Kind(Enum):
    """How it is reached."""

    TCP = "a port"
    SOCKET = "a socket"
    FILE = "a file"
    FOLDER = "a folder"
    PROGRAM = "a program"


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that is asked.  ``what``: the setting that names it; ``place``: host or path, no secret.

    ``trust``: whose certificate it must have; None where it is asked without TLS.
    """

    kind: Kind
    what: str
    place: str
    port: int = 0
    trust: Trust | None = None

    @property
    def shown(self) -> str:
        return f"{self.place}:{self.port}" if self.kind is Kind.TCP else self.place


@dataclass(frozen=True, slots=True)
class Behind:
    """All that one passdb asks, and the file or block that says so."""

    asked: tuple[Asked, ...]
    settings: str


def read(config: AuthConfig, passdb: Passdb, dovecot: Installation) -> Behind:
    """Of one of DRIVERS.  Raises CannotObserve where the settings cannot be read."""
    tree = config.tree
    block = tree.all("passdb")[passdb.number - 1]
    old = config.version.dialect == "2.3"
    place = block.get("args") if old else f"passdb {block.name}"
    match passdb.driver:
        case "oauth2":
            return _of_oauth2(tree, place, dovecot, old=old)
        case "imap":
            return _of_imap(tree, block, old=old)
        case "dict":
            return Behind(_of_dict(sqlfile.read(place, dovecot.path, tree).get("uri"), config), place)
        case _:
            program = place.split(" ")[0]
            return Behind((Asked(Kind.PROGRAM, "args", program),), "args of the passdb")


def of_mechanisms(config: AuthConfig, dovecot: Installation) -> Behind:
    """What 2.4's XOAUTH2 and OAUTHBEARER ask, which need no passdb.  Raises CannotObserve."""
    return _of_oauth2(config.tree, "", dovecot, old=False)


def _of_oauth2(tree: Block, place: str, dovecot: Installation, *, old: bool) -> Behind:
    """With introspection_mode = local nobody is asked: the keys are."""
    if old:
        file = sqlfile.read(place, dovecot.path, tree)
        get, trust = file.get, trust_of_23(file)
    else:
        own = next(iter(tree.all("oauth2")), tree)
        trust = trust_of_24(tree, own)
        place = "the block oauth2"
        get = lambda name, default="": own.get(name) or tree.get(f"oauth2_{name}") or default  # noqa: E731
    urls: tuple[str, ...] = _URLS
    if old and get("use_grant_password") != "yes":
        urls = tuple(one for one in _URLS if one != GRANT)
        if get("introspection_mode") == "local":
            keys = get("local_validation_key_dict")
            folder = keys.partition("prefix=")[2] if keys.startswith("fs:posix:") else ""
            return _of_keys("local_validation_key_dict", folder, place)
    elif not old and get("introspection_mode") == "local":
        return _of_keys("oauth2_local_validation", keys_folder(own), place)
    return Behind(tuple(one for name in urls if (one := _of_url(name, get(name), trust))), place)


def _of_keys(what: str, prefix: str, place: str) -> Behind:
    """The folder of the keys, where they are files."""
    folder = prefix.rpartition("/")[0]
    return Behind((Asked(Kind.FOLDER, what, folder),) if folder[:1] == "/" else (), place)


def _of_url(name: str, url: str, trust: Trust) -> Asked | None:
    """Host and port only: a URL may hold a secret.  None where it is not set, or has no host."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    host = parts.hostname or ""
    if not host or not port or "%" in host:
        return None
    return Asked(Kind.TCP, name, host, port, trust if parts.scheme == "https" else None)


def _of_imap(tree: Block, block: Block, *, old: bool) -> Behind:
    if old:
        given = dict(word.partition("=")[::2] for word in block.get("args").split(" "))
        host, port = (
            given.get("host", ""),
            given.get("port") or ("993" if given.get("ssl") == "imaps" else "143"),
        )
        place = "args of the passdb"
    else:
        host, port = effective(tree, block, "imapc_host"), effective(tree, block, "imapc_port")
        place = f"passdb {block.name}"
    if "%" in host or not host or (number := digits.number(port)) is None:
        raise CannotObserve(
            f"passdb imap: its host ({host or 'none'}) depends on the user; a login shows it."
        )
    return Behind((Asked(Kind.TCP, "host", host, number),), place)


def _of_dict(uri: str, config: AuthConfig) -> tuple[Asked, ...]:
    """A dict of another kind (sql, ldap, memcached) is not followed."""
    kind, _, rest = uri.partition(":")
    if "%" in uri:
        return ()
    if kind == "proxy":
        path = rest.partition(":")[0] or "dict"
        return (Asked(Kind.SOCKET, "uri", path if path[:1] == "/" else f"{config.base_dir}/{path}"),)
    if kind == "file":
        return (Asked(Kind.FILE, "uri", rest.partition(":")[0]),)
    if kind == "redis":
        given = dict(word.partition("=")[::2] for word in rest.split(":"))
        if path := given.get("path", ""):
            return (Asked(Kind.SOCKET, "uri", path),)
        port = given.get("port", "6379")
        return (Asked(Kind.TCP, "uri", given.get("host", "127.0.0.1"), digits.number(port) or 0),)
    return ()
