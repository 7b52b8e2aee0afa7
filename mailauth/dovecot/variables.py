"""The variables in a query, a path, a user name format or a field, as each Dovecot expands them.

Every value is escaped by the caller's function before it goes in (SQL: by the driver's own).  Three things
can come instead of a text: ExpandError, where Dovecot itself fails, with its own words; ClientValueError,
where a value depends on the client and was not given; and CannotObserve for what mailauth does not work out:
a query guessed at proves nothing.

Source: auth_request_var_expand_static_tab and auth_request_get_var_expand_table_full(),
Dovecot 2.3.19.1, 2.4.1 and 2.4.2 src/auth/auth-request-var-expand.c.
"""

import time
from collections.abc import Callable, Mapping

from mailauth.dovecot import filters_v24, variables_v23, variables_v24
from mailauth.dovecot.version import Dialect, Version
from mailauth.errors import CannotObserve

Escape = Callable[[str], str]
Fill = Callable[[str, Escape], str]
"""Puts the variables into a template, each escaped."""

# The names of each dialect, in the words used here, which are 2.3's long names.
_BOTH = (
    *("user", "home", "password", "secured", "cert", "login_user", "session", "domain_first", "domain_last"),
    *("master_user", "session_pid", "auth_user", "local_name", "client_id"),
)
_LONG = {
    "local_ip": "lip",
    "remote_ip": "rip",
    "local_port": "lport",
    "remote_port": "rport",
    "real_local_ip": "real_lip",
    "real_remote_ip": "real_rip",
    "real_local_port": "real_lport",
    "real_remote_port": "real_rport",
    "mechanism": "mech",
    "original_user": "orig_user",
}
_NAMES: dict[Dialect, dict[str, str]] = {
    "2.3": {name: name for name in _BOTH}
    | {
        name: name
        for name in (
            *("username", "domain", "service", "lip", "rip", "pid", "mech", "lport", "rport"),
            *("real_lip", "real_rip", "real_lport", "real_rport", "login_username", "login_domain"),
            *("orig_user", "orig_username", "orig_domain", "auth_username", "auth_domain"),
        )
    }
    | _LONG
    | {
        "!": "id",
        "original_username": "orig_username",
        "original_domain": "orig_domain",
    },
    "2.4": {name: name for name in _BOTH}
    | _LONG
    | {
        "protocol": "service",
        "client_pid": "pid",
        "id": "id",
        "ssl_ja3_hash": "ssl_ja3_hash",
        "ssl_client_cert_fp": "ssl_client_cert_fp",
        "ssl_client_cert_pubkey_fp": "ssl_client_cert_pubkey_fp",
        "owner_user": "user",
    },
}
_SINCE = {"ssl_client_cert_fp": (2, 4, 2), "ssl_client_cert_pubkey_fp": (2, 4, 2)}
# What only a client's connection has: to put in nothing would ask another question than Dovecot does.
OF_THE_CLIENT = frozenset(
    {
        *("lip", "rip", "pid", "lport", "rport", "cert", "secured", "session", "local_name", "client_id"),
        *("real_lip", "real_rip", "real_lport", "real_rport", "ssl_ja3_hash"),
        *("ssl_client_cert_fp", "ssl_client_cert_pubkey_fp"),
    }
)
_NEWEST = (99,)


class ExpandError(CannotObserve):
    """Dovecot itself cannot expand it: ``says`` are its words, ``text`` what it goes on with, if it does.

    ``always``: whoever the user is.  ``unknown``: the variable that it does not know, if that is why.
    """

    def __init__(self, says: str, text: str = "", *, always: bool = False, unknown: str = "") -> None:
        super().__init__(f"Dovecot cannot expand it: {says}.")
        self.says, self.text, self.always, self.unknown = says, text, always, unknown


class ClientValueError(CannotObserve):
    """A variable whose value depends on the client, and that nobody named."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the variable %{{{name}}} comes from the client's connection, which was not named.")
        self.name = name


def values(
    user: str, *, original: str, service: str, dialect: Dialect, requested: str = "", address: str = ""
) -> dict[str, str]:
    """The variables of a lookup.  ``original`` is what the client gave.

    ``requested`` is whose mail a master user asks for, ``address`` where the client is, if that is known.
    """
    name, _, domain = user.partition("@")
    original_name, _, original_domain = original.partition("@")
    known = {
        "user": user,
        "username": name,
        "domain": domain,
        "domain_first": domain.partition("@")[0],
        "domain_last": domain.rpartition("@")[2],
        "home": "",
        "master_user": "",
        "session_pid": "",
        "service": service,
        "mech": "PLAIN",
        "orig_user": original,
        "orig_username": original_name,
        "orig_domain": original_domain,
        "auth_user": original,
        "auth_username": original_name,
        "auth_domain": original_domain,
        "login_user": requested,
        "login_username": requested.partition("@")[0],
        "login_domain": requested.partition("@")[2],
    }
    if address:
        known |= {"rip": address, "real_rip": address}
    names = frozenset(_NAMES[dialect].values())
    return {name: value for name, value in known.items() if name in names}


def filled_with(known: Mapping[str, str], version: Version) -> Fill:
    """What expands templates with these values, as this Dovecot does.  Its result raises as expand does."""
    return lambda template, escape: expand(template, known, version.dialect, escape, version)


def expand(
    template: str,
    known: Mapping[str, str],
    dialect: Dialect,
    escape: Escape = str,
    version: Version | None = None,
) -> str:
    """``template`` with its variables replaced.

    Raises ExpandError where Dovecot fails, ClientValueError and CannotObserve where we do not know a value.
    """
    if dialect == "2.3":
        since = version.numbers if version else _NEWEST
        told = variables_v23.expanded(
            template, variables_v23.Table(lambda name: _of_23(name, known, escape), since)
        )
        if error := told.error:
            raise ExpandError(error.says, _text(told.text), always=error.always, unknown=error.unknown)
        return _text(told.text)
    since = version.numbers if version else _NEWEST
    try:
        return "".join(
            part if isinstance(part, str) else _of_24(part, known, since, escape)
            for part in variables_v24.parsed(template)
        )
    except variables_v24.FilterError as why:
        raise ExpandError(str(why), always=why.always, unknown=why.unknown) from None


def used(template: str, dialect: Dialect) -> tuple[str, ...]:
    """The variables in it, by the words used here; those that this dialect does not know are left out."""
    names = variables_v23.names_in(template) if dialect == "2.3" else variables_v24.names_in(template)
    table = _NAMES[dialect]
    return tuple(dict.fromkeys(table[name] for name in names if name in table))


# What a lookup knows of the user's name, and of nothing else
OF_THE_NAME = frozenset(
    {
        *("user", "username", "domain", "domain_first", "domain_last", "orig_user", "orig_username"),
        *("orig_domain", "auth_user", "auth_username", "auth_domain"),
    }
)


def made_of_the_name(
    template: str, known: Mapping[str, str], version: Version
) -> tuple[tuple[str, str], ...]:
    """What a template makes of the user's name that is none of its parts: ("%{user | upper}", "ALICE").

    Raises as expand does.
    """
    try:
        module = variables_v23 if version.dialect == "2.3" else variables_v24
        texts = module.written_in(template)
    except variables_v24.FilterError as why:
        raise ExpandError(str(why)) from None
    parts = {known[name] for name in OF_THE_NAME & known.keys()}
    found = []
    for text in texts:
        names = frozenset(used(text, version.dialect))
        if names and names <= OF_THE_NAME:
            value = expand(text, known, version.dialect, version=version)
            found += [(text, value)] if value not in parts else []
    return tuple(found)


def written(name: str, dialect: Dialect) -> str:
    """A variable as this dialect writes it: %{secured}."""
    return f"%{{{next(own for own, here in _NAMES[dialect].items() if here == name)}}}"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def _given(name: str, known: Mapping[str, str]) -> str:
    """The value of one of our words."""
    if name in known:
        return known[name]
    if name in OF_THE_CLIENT:
        raise ClientValueError(name)
    why = "needs the password" if name == "password" else "is not one that mailauth works out"
    raise CannotObserve(f"the variable %{{{name}}} {why}, so the lookup cannot be repeated.")


def _of_23(name: str, known: Mapping[str, str], escape: Escape) -> bytes | None:
    """A long name's value; what stands in the middle of a digest may be a key, and is not shown."""
    own = _NAMES["2.3"].get(name)
    if own is not None:
        return _bytes(escape(_given(own, known)))
    if name in ("uid", "gid", "hostname"):
        return _bytes(_given(name, known))
    prefix, colon, rest = name.partition(":")
    if colon and prefix == "env":
        return _bytes(_environment(rest, known))
    if prefix in ("passdb", "userdb"):
        field, _, default = rest.partition(":")
        return _bytes(escape(known.get(f"{prefix}:{field}", default)))
    return None


def _environment(name: str, known: Mapping[str, str]) -> str:
    """A variable of the environment that Dovecot's processes have; nothing where it is not in it."""
    if "env:" not in known:
        raise CannotObserve(f"the variable %{{env:{name}}} is of Dovecot's environment, which was not read.")
    return known.get(f"env:{name}", "")


def _of_24(
    steps: tuple[variables_v24.FilterCall, ...],
    known: Mapping[str, str],
    since: tuple[int, ...],
    escape: Escape,
) -> str:
    if not steps:
        return ""
    state = variables_v24.State(lambda name: _bytes(_found_24(name, known, since)), since)
    found = _text(variables_v24.worked_out(steps, state, filters_v24.of(since)))
    return found if state.safe else escape(found)


def _not_there(says: str, name: str) -> variables_v24.FilterError:
    return variables_v24.FilterError(says, always=True, unknown=name)


def _found_24(name: str, known: Mapping[str, str], since: tuple[int, ...]) -> str:
    prefix, colon, field = name.partition(":")
    if not colon:
        own = _NAMES["2.4"].get(name)
        if own is None or _SINCE.get(own, ()) > since:
            raise _not_there(f"Unknown variable '{name}'", name)
        return _given(own, known)
    if prefix in ("passdb", "userdb"):
        return known.get(name, "")
    if prefix == "env":
        return _environment(field, known)
    if prefix in ("date", "time"):
        return _now(prefix, field)
    if prefix in _FIELDS:
        if _FIELDS[prefix] and field not in _FIELDS[prefix]:
            raise _not_there(f"{prefix}: Unsupported field '{field}'", name)
        return _given(name, known)
    if f"{prefix}:" not in known:
        raise _not_there(f"Unsupported prefix '{prefix}'", name)
    if name not in known:
        raise variables_v24.FilterError(f"{prefix}: No such field '{field}'", unknown=name)
    return known[name]


# The providers of src/lib-var-expand/var-expand.c whose values are of the machine or the process
_FIELDS: dict[str, tuple[str, ...]] = {
    "process": ("pid", "uid", "gid"),
    "system": ("cpu_count", "hostname", "os", "os-version"),
    "dovecot": ("name", "version", "support-url", "support-email", "revision"),
    "event": (),
    "generate": (),
}
_CLOCK = {
    "date": {"year": "%Y", "month": "%m", "day": "%d"},
    "time": {"hour": "%H", "min": "%M", "minute": "%M", "sec": "%S", "second": "%S"},
}


def _now(prefix: str, field: str) -> str:
    if field not in _CLOCK[prefix]:
        if field in ("us", "usec"):
            raise CannotObserve(f"the variable %{{time:{field}}} is another one each time.")
        raise _not_there(f"{prefix}: Unsupported key '{field}'", f"{prefix}:{field}")
    return time.strftime(_CLOCK[prefix][field])
