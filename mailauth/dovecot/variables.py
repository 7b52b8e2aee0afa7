"""Expand the variables in a query, a path or a user name format, as Dovecot of each dialect does.

2.3: ``%u``, ``%Lu``, ``%5.10u``, ``%{user}``, ``%L{user}``.  2.4: ``%{user | lower | default('x')}``.
Every value is escaped by the caller's function before it goes in (SQL: by the driver's own).
What we do not expand raises CannotObserve with its name: a query guessed at proves nothing.

Source: Dovecot 2.3.19.1 src/lib/var-expand.c, src/auth/auth-request-var-expand.c;
2.4.1 src/lib-var-expand/expansion-filter.c, src/auth/auth-request-var-expand.c.
"""

import hashlib
import re
from collections.abc import Callable, Mapping

from mailauth.dovecot.version import Dialect
from mailauth.errors import CannotObserve

Escape = Callable[[str], str]
Fill = Callable[[str, Escape], str]
"""Puts the variables into a template, each escaped."""

# 2.3's short names and aliases, in the words of 2.3's long names
_SHORT = {
    "u": "user",
    "n": "username",
    "d": "domain",
    "s": "service",
    "h": "home",
    "l": "lip",
    "r": "rip",
    "p": "pid",
    "w": "password",
    "m": "mech",
    "c": "secured",
    "a": "lport",
    "b": "rport",
    "k": "cert",
}
# Other spellings of 2.3's long names
_ALIAS = {
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
    "original_username": "orig_username",
    "original_domain": "orig_domain",
}
# What only a client's connection has: to put in nothing would ask another question than Dovecot does.
_OF_THE_CONNECTION = frozenset(
    {
        *("lip", "rip", "pid", "lport", "rport", "cert", "secured", "session", "session_pid"),
        *("real_lip", "real_rip", "real_lport", "real_rport", "local_name", "client_id", "id"),
        *("client_pid", "ssl_ja3_hash", "!"),
    }
)
_MODIFIERS: dict[str, Callable[[str], str]] = {
    "L": str.lower,
    "U": str.upper,
    "E": lambda text: re.sub(r"""([\\'"])""", r"\\\1", text),
    "X": lambda text: f"{int(text):x}" if text.isdigit() else "0",
    "R": lambda text: text[::-1],
    "M": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
    "D": lambda text: text.replace(".", ",dc="),
    "T": lambda text: text.rstrip(" \t"),
}
_V23 = re.compile(r"%(?:(-?\d+)\.)?(-?\d+)?([LUEXRHNMDT]*)(?:\{([^{}]*)\}|(.))", re.DOTALL)
_V24 = re.compile(r"%\{((?:[^{}'\"]|'[^']*'|\"[^\"]*\")*)\}")


def values(
    user: str, *, original: str, service: str, dialect: Dialect, requested: str = "", address: str = ""
) -> dict[str, str]:
    """The variables of a lookup by their names in ``dialect``.  ``original`` is what the client gave.

    ``requested`` is whose mail a master user asks for, ``address`` where the client is, if that is known.
    """
    domain = user.partition("@")[2]
    known = {
        "user": user,
        "auth_user": original,
        "domain_first": domain.partition("@")[0],
        "domain_last": domain.rpartition("@")[2],
        "home": "",
        "login_user": requested,
        "master_user": "",
    }
    if address:
        known |= {"rip": address, "real_rip": address}
    if dialect == "2.4":
        return known | {
            "original_user": original,
            "protocol": service,
            "mechanism": "PLAIN",
            "owner_user": "",
        }
    name, _, _ = user.partition("@")
    original_name, _, original_domain = original.partition("@")
    return known | {
        "username": name,
        "domain": domain,
        "orig_user": original,
        "orig_username": original_name,
        "orig_domain": original_domain,
        "auth_username": original_name,
        "auth_domain": original_domain,
        "login_username": requested.partition("@")[0],
        "login_domain": requested.partition("@")[2],
        "service": service,
        "mech": "PLAIN",
    }


def expand(template: str, known: Mapping[str, str], dialect: Dialect, escape: Escape = str) -> str:
    """``template`` with its variables replaced.  Raises CannotObserve for one that we do not know."""
    if dialect == "2.3":
        return _V23.sub(lambda found: _expand_23(found, known, escape), template)
    return _V24.sub(lambda found: _expand_24(found[1], known, escape), template)


def _look_up(name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        name = _ALIAS.get(name, name)
    if name not in known:
        why = "is not one that mailauth expands"
        if name == "password":
            why = "needs the password"
        elif name in _OF_THE_CONNECTION:
            why = "is of the client's connection"
        shown = f"{name.partition(';')[0]};..." if ";" in name else name  # what follows may be a key
        raise CannotObserve(f"the variable %{{{shown}}} {why}, so the lookup cannot be repeated.")
    return known[name]


def _expand_23(found: re.Match[str], known: Mapping[str, str], escape: Escape) -> str:
    offset, width, modifiers, long, short = found.groups()
    if short == "%":
        return "%"
    if long is None and short not in _SHORT:
        # Dovecot puts in an error marker and goes on; no row can match that.
        return f"UNSUPPORTED_VARIABLE_{short}"
    value = _look_up(_SHORT[short] if long is None else long, known)
    # Escaped first, changed after: Dovecot's order.
    value = escape(value)
    for modifier in modifiers:
        if modifier not in _MODIFIERS:
            raise CannotObserve(f"mailauth does not expand the modifier %{modifier}.")
        value = _MODIFIERS[modifier](value)
    if offset is not None:
        start = int(offset)
        value = value[start:] if start >= 0 or len(value) > -start else value
    if width is None or int(width) == 0:
        return value
    if width.lstrip("-").startswith("0"):
        return value.rjust(int(width), "0")
    size = int(width)
    if offset is None:
        size = abs(size)  # a sign counts only where there is a point
    return value[: size if size > 0 else max(len(value) + size, 0)]


def _expand_24(inner: str, known: Mapping[str, str], escape: Escape) -> str:
    name, *filters = (part.strip() for part in _split(inner, "|"))
    default = next((step for step in filters if step.startswith("default")), None)
    value = _look_up(name, known) if name in known or default is None else ""
    for step in filters:
        value = _filter_24(step, value)
    return escape(value)


def _filter_24(step: str, value: str) -> str:
    name, _, rest = step.partition("(")
    arguments = [_literal(part) for part in _split(rest.rstrip().removesuffix(")"), ",")] if rest else []
    if name == "default":
        return value or (arguments[0] if arguments else "")
    if name == "substr" and arguments:
        start = int(arguments[0])
        cut = value[start:]
        return cut[: int(arguments[1])] if len(arguments) > 1 else cut
    if name == "truncate" and len(arguments) == 1:
        return value[: int(arguments[0])]
    if name == "concat":
        return value + "".join(arguments)
    if name in _FILTERS and not arguments:
        return _FILTERS[name](value)
    raise CannotObserve(f"mailauth does not expand the filter {name!r}, so the lookup cannot be repeated.")


_FILTERS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "reverse": lambda text: text[::-1],
    "username": lambda text: text.partition("@")[0],
    "domain": lambda text: text.partition("@")[2],
    "ldap_dn": lambda text: text.replace(".", ",dc="),
    "text": str,
}


def _literal(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" else text


def _split(text: str, separator: str) -> list[str]:
    """Split outside of quotes and parentheses."""
    parts, depth, quote, start = [], 0, "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == separator and not depth:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]
