"""How a passdb of the driver ldap asks its directory, in either dialect.

Source: Dovecot 2.3.19.1 src/auth/db-ldap.c (setting_defs, default_ldap_settings, ldap_escape()) and
passdb-ldap.c; 2.4.1 src/auth/db-ldap-settings.c, db-ldap.c, src/lib-ldap/ldap-utils.c.
"""

import re
from dataclasses import field, replace
from urllib.parse import unquote

from mailauth import digits, loopback
from mailauth.dovecot import entryfields, environment, secrets, sqlfile, v24
from mailauth.dovecot.authconfig import AuthConfig, Passdb, Userdb
from mailauth.dovecot.conf import Block
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.entryfields import Field
from mailauth.errors import CannotObserve
from mailauth.records import dataclass

_SPECIAL = frozenset(b'*,\\#+<>;"()= ')
_FILTER_23 = "(&(objectClass=posixAccount)(uid=%u))"
_ATTRIBUTES_23 = "uid=user,userPassword=password"
_TLS_23 = ("tls_ca_cert_file", "tls_ca_cert_dir", "tls_cert_file", "tls_key_file", "tls_cipher_suite")


@dataclass(frozen=True, slots=True)
class Directory:
    """What Dovecot asks, whom, and as whom.

    ``base``, ``filter``: with variables.  ``attribute``: the one that the password comes from; "" where the
    directory verifies, or the password is made of more.  ``template``: of the name to bind as, where no
    search is made.  ``tls``: 2.3's names of settings.  ``place``: where the settings are.  ``fields``: what
    becomes of the entry.  ``needed``: attributes without which Dovecot fails.
    """

    uris: str
    base: str
    scope: str
    deref: str
    filter: str
    attribute: str
    name: str
    password: str = field(repr=False)
    starttls: bool
    tls: tuple[tuple[str, str], ...]
    bind: bool
    template: str
    place: str
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    fields: tuple[Field, ...] = field(default=(), repr=False)
    needed: tuple[str, ...] = ()
    version: int = 3

    @property
    def with_tls(self) -> bool:
        return self.starttls or "ldaps:" in self.uris

    @property
    def connection(self) -> tuple[object, ...]:
        """What decides whether there is a connection."""
        return self.uris, self.name, self.password, self.starttls, self.tls, self.environment, self.version

    @property
    def in_the_clear(self) -> str:
        """A server of another machine to which passwords go without verified TLS; "" for none."""
        checked = dict(self.tls).get("tls_require_cert", "hard") in ("hard", "demand")
        for uri in re.split(r"[\s,]+", self.uris):
            kind, _, rest = uri.partition("://")
            secret = checked and (self.starttls or kind == "ldaps")
            if uri and not secret and kind != "ldapi" and not _is_here(rest):
                return uri
        return ""

    @property
    def far(self) -> bool:
        """Whether a server may be on another machine."""
        servers = (one.partition("://") for one in re.split(r"[\s,]+", self.uris) if one)
        return any(kind != "ldapi" and not _is_here(rest) for kind, _, rest in servers)

    @property
    def paths(self) -> tuple[str, ...]:
        """Files and sockets by which a server is asked: its sockets, certificates, and those of a client."""
        sockets = [unquote(one) for one in re.findall(r"ldapi://([^/\s,]*)", self.uris)]
        named = [value for _, value in (*self.tls, *self.environment)]
        return tuple(path for path in (*sockets, *named) if path.startswith("/"))


def _is_here(rest: str) -> bool:
    """Of what follows ldap:// or ldaps://."""
    return loopback.is_here(rest.partition("/")[0])


def escape(text: str) -> str:
    """As Dovecot puts a variable's value into a filter, a base or a name."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(f"\\{one:02X}" if one in _SPECIAL or one > 127 else chr(one) for one in raw)


def read(config: AuthConfig, passdb: Passdb, dovecot: Installation) -> Directory:
    """Of a passdb of the driver ldap.  Raises CannotObserve where it cannot be read, or is not known here."""
    block = config.tree.all("passdb")[passdb.number - 1]
    read_it = _of_23 if config.version.dialect == "2.3" else _of_24
    return read_it(config.tree, block, dovecot)


def read_userdb(config: AuthConfig, userdb: Userdb, dovecot: Installation) -> Directory:
    """Of a userdb of the driver ldap: whom it asks, and for whom; not what becomes of the entry.

    Raises CannotObserve, as ``read`` does.
    """
    tree = config.tree
    block = tree.all("userdb")[userdb.number - 1]
    if config.version.dialect == "2.3":
        whole = _of_23(tree, block, dovecot)
        text = sqlfile.read(whole.place, dovecot.path, tree).get("user_filter", _FILTER_23)
    else:
        whole = replace(_of_24(tree, block, dovecot), place=f"userdb {block.name}")
        text = v24.effective(tree, block, "userdb_ldap_filter")
    return replace(whole, filter=text, attribute="", bind=False, template="", fields=(), needed=())


def _of_hosts(hosts: str) -> str:
    return " ".join(f"ldap://{host}" for host in hosts.split())


def _of_23(tree: Block, block: Block, dovecot: Installation) -> Directory:
    path = block.get("args")
    file = sqlfile.read(path, dovecot.path, tree)
    for name in ("sasl_bind", "ldaprc_path"):
        if file.get(name) not in ("", "no"):
            raise CannotObserve(f"{path}: mailauth does not follow {name} yet.")
    bind = file.get("auth_bind").lower() == "yes"
    attributes = file.get("pass_attrs", _ATTRIBUTES_23)
    password = _password_of(attributes)
    tls = ((name, file.get(name)) for name in (*_TLS_23, "tls_require_cert"))
    return Directory(
        uris=file.get("uris") or _of_hosts(file.get("hosts")),
        base=file.get("base"),
        scope=file.get("scope", "subtree"),
        deref=file.get("deref", "never"),
        filter=file.get("pass_filter", _FILTER_23),
        attribute="" if bind else password,
        name=file.get("dn"),
        password=file.get("dnpass"),
        starttls=file.get("tls").lower() == "yes",
        tls=tuple((name, value) for name, value in tls if value),
        bind=bind,
        template=file.get("auth_bind_userdn") if bind else "",
        place=path,
        environment=tuple(environment.given(tree).items()),
        fields=entryfields.of_23(attributes),
        needed=() if bind else (password,) if password else (),
        version=digits.number(file.get("ldap_version", "3")) or 3,
    )


def _password_of(attributes: str) -> str:
    """The attribute that pass_attrs makes the password; "" where that is not as plain as ``a=password``.

    With nopassword, none is needed.
    """
    pairs = [one.strip().partition("=")[::2] for one in attributes.split(",")]
    named = [attribute for attribute, name in pairs if name.partition("=")[0] == "password"]
    plain = len(named) == 1 and re.fullmatch(r"[\w;.-]+", named[0]) and "nopassword" not in attributes
    return named[0] if plain else ""


def _of_24(tree: Block, block: Block, dovecot: Installation) -> Directory:
    def get(name: str) -> str:
        return v24.effective(tree, block, name)

    if v24.effective(tree, block, "ldap_auth_sasl_mechanisms"):
        raise CannotObserve(f"passdb {block.name}: mailauth does not follow ldap_auth_sasl_mechanisms yet.")
    bind = get("passdb_ldap_bind") == "yes"
    settings = [s for inner in block.blocks if inner.kind.endswith("fields") for s in inner.settings]
    fields = tuple(Field(one.name, "", one.value) for one in settings)
    made = next((one.template or "" for one in fields if one.name == "password"), "")
    named = entryfields.FROM_ENTRY.findall(made)
    unchecked = get("ssl_client_require_valid_cert") == "no"
    return Directory(
        uris=get("ldap_uris"),
        base=get("ldap_base"),
        scope=get("ldap_scope") or "subtree",
        deref=get("ldap_deref") or "never",
        filter=get("passdb_ldap_filter"),
        attribute=named[0] if len(named) == 1 and not bind and "default" not in made else "",
        name=get("ldap_auth_dn"),
        password=secrets.value(get("ldap_auth_dn_password"), "ldap_auth_dn_password", tree, dovecot.path),
        starttls=get("ldap_starttls") == "yes",
        tls=(("tls_require_cert", "allow" if unchecked else "hard"),),
        bind=bind,
        template=get("passdb_ldap_bind_userdn") if bind else "",
        place=f"passdb {block.name}",
        environment=tuple(environment.given(tree).items()),
        fields=fields,
        needed=() if bind else entryfields.without_default(fields),
        version=digits.number(get("ldap_version") or "3") or 3,
    )
