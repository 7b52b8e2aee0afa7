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
_ALIAS = {
    "local_ip": "lip",
    "remote_ip": "rip",
    "local_port": "lport",
    "remote_port": "rport",
    "mechanism": "mech",
    "protocol": "service",
    "original_user": "orig_user",
    "original_username": "orig_username",
    "original_domain": "orig_domain",
}
# What a login has that a question does not: Dovecot has an address there, we have none.
_EMPTY = frozenset(
    {
        "home",
        "lip",
        "rip",
        "pid",
        "client_pid",
        "lport",
        "rport",
        "cert",
        "secured",
        "session",
        "session_pid",
        "local_name",
        "client_id",
        "login_user",
        "login_username",
        "login_domain",
        "master_user",
        "real_lip",
        "real_rip",
        "real_lport",
        "real_rport",
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
_V24 = re.compile(r"%\{((?:[^{}'\"]|'[^']*'|\"[^\"]*\")*)\}|%%")


def values(user: str, *, original: str, service: str) -> dict[str, str]:
    """The variables of a lookup, by 2.3's long names.  ``original`` is what the client gave."""
    name, _, domain = user.partition("@")
    original_name, _, original_domain = original.partition("@")
    parts = domain.split("@")
    return dict.fromkeys(_EMPTY, "") | {
        "user": user,
        "username": name,
        "domain": domain,
        "domain_first": parts[0],
        "domain_last": parts[-1],
        "orig_user": original,
        "orig_username": original_name,
        "orig_domain": original_domain,
        "auth_user": user,
        "auth_username": name,
        "auth_domain": domain,
        "service": service,
        "mech": "PLAIN",
    }


def expand(template: str, known: Mapping[str, str], dialect: Dialect, escape: Escape = str) -> str:
    """``template`` with its variables replaced.  Raises CannotObserve for one that we do not know."""
    if dialect == "2.3":
        return _V23.sub(lambda found: _expand_23(found, known, escape), template)
    return _V24.sub(lambda found: "%" if found[0] == "%%" else _expand_24(found[1], known, escape), template)


def _look_up(name: str, known: Mapping[str, str]) -> str:
    name = _ALIAS.get(name, name)
    if name not in known:
        why = "needs the password" if name == "password" else "is not one that mailauth expands"
        raise CannotObserve(f"the variable %{{{name}}} {why}, so the lookup cannot be repeated.")
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
    if width.startswith("0"):
        return value.rjust(int(width), "0")
    size = int(width)
    return value[: size if size > 0 else max(len(value) + size, 0)]


def _expand_24(inner: str, known: Mapping[str, str], escape: Escape) -> str:
    name, *filters = (part.strip() for part in _split(inner, "|"))
    default = next((step for step in filters if step.startswith("default")), None)
    if name in known or _ALIAS.get(name, name) in known or default is None:
        value = _look_up(name, known)
    else:
        value = ""
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
