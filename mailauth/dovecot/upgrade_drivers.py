"""A passdb's or userdb's args of 2.3, and the files of its driver, as lines of a 2.4 block.  Pure.

A secret is never carried over: its line is there, empty, with the place that has the value.

Source: the upgrade guide "2.3 to 2.4" of Dovecot's documentation; src/auth/db-{sql,ldap}.c of 2.3.19.1,
src/auth/db-ldap-settings.c and src/lib-sql/driver-*.c of 2.4.1; run by tests/dovecot/test_upgrade.py.
"""

import shlex
from collections.abc import Callable, Iterator

from mailauth.dovecot.conf import Block, Setting
from mailauth.dovecot.defaults import default_scheme
from mailauth.dovecot.templates import to_24
from mailauth.dovecot.upgrade_values import mail_24, quoted
from mailauth.dovecot.version import Version

ReadExt = Callable[[str], Block]
"""2.3's file for a driver; raises CannotObserve."""

_OLD = Version(2, 3, 19, 1)
_LDAP = {
    "uris": "ldap_uris",
    "dn": "ldap_auth_dn",
    "base": "ldap_base",
    "scope": "ldap_scope",
    "deref": "ldap_deref",
    "ldap_version": "ldap_version",
    "tls": "ldap_starttls",
    "debug_level": "ldap_debug_level",
    "tls_ca_cert_file": "ssl_client_ca_file",
    "tls_ca_cert_dir": "ssl_client_ca_dir",
    "tls_cert_file": "ssl_client_cert_file",
    "tls_key_file": "ssl_client_key_file",
    "sasl_mech": "ldap_auth_sasl_mechanisms",
    "sasl_realm": "ldap_auth_sasl_realm",
    "sasl_authz_id": "ldap_auth_sasl_authz_id",
}
_LDAP_PASSDB = {
    "auth_bind": "passdb_ldap_bind",
    "auth_bind_userdn": "passdb_ldap_bind_userdn",
    "pass_filter": "passdb_ldap_filter",
}
_LDAP_USERDB = {"user_filter": "userdb_ldap_filter", "iterate_filter": "userdb_ldap_iterate_filter"}
_QUERIES = {
    "passdb": {"password_query": "passdb_sql_query", "update_query": "passdb_sql_update_query"},
    "userdb": {"user_query": "userdb_sql_query", "iterate_query": "userdb_sql_iterate_query"},
}
_CONNECT = ("host", "port", "dbname", "user", "password", "maxconns", "client_flags")
_PAM = {
    "session": "passdb_pam_session",
    "setcred": "passdb_pam_setcred",
    "max_requests": "passdb_pam_max_requests",
    "failure_show_msg": "passdb_pam_failure_show_msg",
}


def args_24(block: Block, value: str, version: Version, read: ReadExt) -> str | None:
    """The lines that do the work of ``args``; None: it takes a person."""
    match block.get("driver"):
        case "sql":
            lines = _sql(block.kind, read(value.strip()), version)
        case "ldap":
            lines = _ldap(block.kind, read(value.strip()))
        case "passwd-file":
            lines = _passwd_file(block.kind, value, version)
        case "static":
            lines = _static(block.kind, value)
        case "pam":
            lines = _pam(value)
        case "passwd" | "prefetch" | "shadow":
            lines = []
        case _:
            return None
    return None if lines is None else "\n  ".join(lines)


def _scheme(driver: str, version: Version, own: str = "") -> list[str]:
    """The default scheme, where 2.4 would have another."""
    usual = own or default_scheme(driver, _OLD)
    same = not own and usual == default_scheme(driver, version)
    return [] if same else [f"passdb_default_password_scheme = {usual}"]


def _passwd_file(kind: str, value: str, version: Version) -> list[str]:
    words = value.split()
    options = dict(word.partition("=")[::2] for word in words[:-1])
    lines = [f"passwd_file_path = {to_24(words[-1])}"] if words else []
    if kind == "passdb":
        lines += _scheme("passwd-file", version, options.get("scheme", ""))
    if said := options.get("username_format"):
        lines.append(f"auth_username_format = {to_24(said)}")
    return lines


def _static(kind: str, value: str) -> list[str] | None:
    pairs = [word.partition("=") for word in shlex.split(value)]
    if kind == "passdb":
        if any(key == "password" for key, _, _ in pairs):
            return None  # a secret
        return ["fields {", *(f"  {key} = {to_24(said) or 'yes'}" for key, _, said in pairs), "}"]
    lines = [f"  {key} = {to_24(said) or 'yes'}" for key, _, said in pairs if key not in _STATIC_OWN]
    for key, _, said in pairs:
        if key == "mail":
            parts = mail_24(said)
            if parts is None:
                return None
            lines += [f"  {part}" for part in parts.splitlines()]
    own = [f"userdb_static_allow_all_users = {said}" for key, _, said in pairs if key == "allow_all_users"]
    return ["fields {", *lines, "}", *own]


_STATIC_OWN = ("mail", "allow_all_users")


def _pam(value: str) -> list[str] | None:
    lines = []
    for word in value.split():
        key, equals, said = word.partition("=")
        if not equals:
            lines.append(f"passdb_pam_service_name = {to_24('%s' if word == '*' else word)}")
        elif key in _PAM:
            lines.append(f"{_PAM[key]} = {said}")
        elif key not in ("cache_key", "blocking"):
            return None
    return lines


def _sql(kind: str, file: Block, version: Version) -> list[str] | None:
    driver = file.get("driver")
    connect = file.find("connect")
    lines = [f"sql_driver = {driver}"]
    if driver == "sqlite":
        lines.append(f"sqlite_path = {file.get('connect').partition(' ')[0]}")
    elif driver in ("mysql", "pgsql") and connect and _is_plain(connect.value):
        lines += _servers(driver, connect)
    else:
        return None
    for old, new in _QUERIES[kind].items():
        if query := file.get(old):
            lines.append(f"{new} = {quoted(to_24(query))}")
    return lines + (_scheme("sql", version, file.get("default_pass_scheme")) if kind == "passdb" else [])


def _is_plain(connect: str) -> bool:
    """Nothing in quotes: a part of a password that has a blank in it would pass for a name."""
    names = [word.partition("=")[0] for word in connect.split()]
    return not set(connect) & set("\"'\\") and all(name in _CONNECT for name in names)


def _servers(driver: str, connect: Setting) -> Iterator[str]:
    pairs = [word.partition("=")[::2] for word in connect.value.split()]
    hosts = [said for key, said in pairs if key == "host"] or ["localhost"]
    for host in hosts:
        inside = []
        for key, said in pairs:
            if key == "password":
                inside.append(f"password = # the one of {connect.place}")
            elif key not in ("host", "maxconns"):
                inside.append(f"{key} = {said}")
        yield f"{driver} {host} {{"
        if driver == "pgsql":
            yield "  parameters {"
        yield from (f"    {one}" for one in inside)
        if driver == "pgsql":
            yield "  }"
        yield "}"


def _ldap(kind: str, file: Block) -> list[str] | None:
    lines = []
    if hosts := file.get("hosts"):
        lines.append("ldap_uris = " + " ".join(f"ldap://{host}" for host in hosts.split()))
    names = _LDAP | (_LDAP_PASSDB if kind == "passdb" else _LDAP_USERDB)
    for setting in file.settings:
        if setting.name in names and setting.value:
            lines.append(f"{names[setting.name]} = {to_24(setting.value)}")
        elif setting.name == "dnpass":
            lines.append(f"ldap_auth_dn_password = # the one of {setting.place}")
        elif setting.name == "tls_require_cert":
            required = "no" if setting.value in ("never", "allow", "try") else "yes"
            lines.append(f"ssl_client_require_valid_cert = {required}")
    scheme = file.get("default_pass_scheme")
    lines += [f"passdb_default_password_scheme = {scheme}"] if scheme and kind == "passdb" else []
    fields = _attributes(file.get("pass_attrs" if kind == "passdb" else "user_attrs", _ATTRS[kind]))
    if fields is None:
        return None
    if kind == "passdb" and file.get("auth_bind") == "yes":
        fields = [one for one in fields if not one.startswith("password =")]
    iterate = _attributes(file.get("iterate_attrs")) if kind == "userdb" else []
    if iterate is None:
        return None
    named = ["userdb_ldap_iterate_fields {", *(f"  {one}" for one in iterate), "}"] if iterate else []
    return [*lines, "fields {", *(f"  {one}" for one in fields), "}", *named]


_ATTRS = {
    "passdb": "uid=user,userPassword=password",
    "userdb": "homeDirectory=home,uidNumber=uid,gidNumber=gid",
}


def _attributes(text: str) -> list[str] | None:
    """``uid=user, userPassword=password, =home=/vmail/%{ldap:uid}, mailbox=mail=maildir:~/%$``."""
    found = []
    for part in (one.strip() for one in text.split(",")):
        if not part:
            continue
        attribute, _, rest = part.partition("=")
        name, template, value = rest.partition("=")
        if not name or "@" in attribute or "%" in name:
            return None
        own = f"%{{ldap:{attribute}}}"
        value = to_24(value.replace("%$", own)) if template else own
        if name == "mail":
            lines = mail_24(value)
            if lines is None:
                return None
            found += lines.splitlines()
        else:
            found.append(f"{name} = {value}")
    return found
