"""Settings of the other dialect in a configuration's files, and the line that does their work in this one.

Pure but for the tree that it is given.  A line that holds a secret is named and never quoted.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mailauth.dovecot.conf import Block, Setting
from mailauth.dovecot.renamed import Renamed, Scope, in_23, in_24
from mailauth.dovecot.templates import rewritten, to_24
from mailauth.dovecot.version import Dialect, Version

_SECRET = re.compile(r"password|_key\b|connect|secret|nonce|token|api_header|dnpass|static", re.IGNORECASE)
_SCOPES: dict[str, Scope] = {"passdb": "passdb", "userdb": "userdb", "service": "service"}
# Blocks in which settings of the top level stand; others have settings of their own, or are lists.
_WITH_SETTINGS = frozenset({"protocol", "local", "remote", "local_name", "passdb", "userdb", "service"})
_LIMITS = ("vsz_limit", "default_vsz_limit")
_NO_LIMIT: dict[Dialect, str] = {"2.3": "0", "2.4": "unlimited"}
_NOT_A_LIMIT: dict[Dialect, str] = {"2.3": "unlimited", "2.4": "0"}
_PATH_DRIVERS = ("maildir", "mbox", "sdbox", "mdbox", "dbox")


@dataclass(frozen=True, slots=True)
class Misfit:
    """One line of the other dialect.  ``new`` is what to put there; None: it takes more than one line."""

    file: str
    line: int
    name: str
    means: str
    old: str = ""  # the line as it stands; "" where it holds a secret
    new: str | None = None


def misfits(tree: Block, version: Version, line_of: Callable[[str, int], str]) -> tuple[Misfit, ...]:
    """Every line that a Dovecot of ``version`` refuses for being of the other dialect, in the files' order.

    ``line_of(file, number)`` gives a line as it stands.
    """
    found = list(_of_block(tree, "", version.dialect, line_of))
    return tuple(sorted(found, key=lambda one: (one.file, one.line)))


def _of_block(
    block: Block, scope: Scope, dialect: Dialect, line_of: Callable[[str, int], str]
) -> Iterator[Misfit]:
    for setting in block.settings:
        if setting.name in _LIMITS and setting.value.strip() == _NOT_A_LIMIT[dialect]:
            yield _no_limit(setting, dialect, line_of)
            continue
        row = in_24(scope, setting.name) if dialect == "2.4" else in_23(scope, setting.name)
        if row:
            yield _misfit(setting, row, block, dialect, line_of)
    for inner in block.blocks:
        yield from _of_head(inner, scope, dialect, line_of)
        if scope == "" and inner.kind in _WITH_SETTINGS:
            yield from _of_block(inner, _SCOPES.get(inner.kind, ""), dialect, line_of)


def _no_limit(setting: Setting, dialect: Dialect, line_of: Callable[[str, int], str]) -> Misfit:
    """The other dialect's word for no limit at all."""
    word = _NO_LIMIT[dialect]
    means = f"no limit is {word} in {dialect}"
    old = line_of(setting.file, setting.line)
    return Misfit(setting.file, setting.line, setting.name, means, old, f"{setting.name} = {word}")


def _of_head(
    block: Block, scope: Scope, dialect: Dialect, line_of: Callable[[str, int], str]
) -> Iterator[Misfit]:
    """A block whose head the other dialect writes otherwise."""
    head = line_of(block.file, block.line)
    if dialect == "2.4" and block.kind in ("passdb", "userdb") and not block.name:
        driver = block.get("driver") or "sql"
        means = f"2.4 wants a name after {block.kind}"
        yield Misfit(block.file, block.line, block.kind, means, head, f"{block.kind} {driver} {{")
    elif dialect == "2.4" and block.kind == "plugin" and scope == "":
        yield Misfit(block.file, block.line, "plugin", "2.4 has its settings at the top level", head)
    elif dialect == "2.3" and (row := in_23(scope, block.kind)):
        if block.kind == "fields" and scope == "userdb":
            return  # taken with the userdb's own head
        yield Misfit(block.file, block.line, block.kind, _said_23(row), head)
    elif dialect == "2.3" and block.kind in ("passdb", "userdb") and block.name and not block.get("driver"):
        # 2.3 takes the name, and misses the driver
        new = f"{block.kind} {{\n  driver = {block.name}"
        yield Misfit(block.file, block.line, block.kind, "2.3 wants a driver in it", head, new)


def _misfit(
    setting: Setting, row: Renamed, block: Block, dialect: Dialect, line_of: Callable[[str, int], str]
) -> Misfit:
    means = row.said if dialect == "2.4" else _said_23(row)
    if _secret(setting, block):
        return Misfit(setting.file, setting.line, setting.name, means)
    new = _line_24(setting, row, block) if dialect == "2.4" else _line_23(setting, row, block)
    old = line_of(setting.file, setting.line)
    return Misfit(setting.file, setting.line, setting.name, means, old, new)


def _secret(setting: Setting, block: Block) -> bool:
    """Whether the value is or may be a secret; a file's name is none."""
    if setting.value.startswith("<"):
        return False
    static = setting.name == "args" and block.kind == "passdb" and block.get("driver") == "static"
    return static or "password=" in setting.value or bool(_SECRET.search(setting.name))


def _said_23(row: Renamed) -> str:
    place = " in plugin { }" if row.scope == "plugin" else ""
    said = f"it is {row.old}{place} in 2.3" if row.old else "2.3 has no such setting"
    return f"{said} ({row.note})" if row.note and not row.old else said


def _swapped(value: str) -> str:
    return "no" if value.strip() == "yes" else "yes"


def _line_24(setting: Setting, row: Renamed, block: Block) -> str | None:
    """The line of 2.4 that does the work of a 2.3 one; "" where none is needed."""
    value = setting.value
    match row.change:
        case "same":
            return f"{row.new} = {to_24(value)}"
        case "not":
            return f"{row.new} = {_swapped(value)}"
        case "file":
            # Without the "<" the certificate itself stands in the line
            return f"{row.new} = {value.removeprefix('<').strip()}" if value.startswith("<") else None
    if row.old == "mail_location":
        return _mail_24(value)
    if row.old == "auth_worker_max_count":
        return f"service auth-worker {{\n  process_limit = {value}\n}}"
    if row.old == "verbose_ssl":
        return "" if value != "yes" else row.new
    if row.old == "args":
        return _args_24(value, block)
    return "" if not row.new and not row.note else None


def _mail_24(value: str) -> str | None:
    """``maildir:~/Maildir`` in two lines; one with more parts is left to a person."""
    driver, _, rest = value.partition(":")
    if driver not in _PATH_DRIVERS or ":" in rest:
        return None
    return f"mail_driver = {driver}\nmail_path = {to_24(rest)}"


def _args_24(value: str, block: Block) -> str | None:
    """A passdb's or userdb's args; SQL's are a file of their own, with a password in it."""
    driver = block.get("driver")
    if driver == "passwd-file":
        words = value.split()
        lines = [f"passwd_file_path = {to_24(words[-1])}"] if words else []
        for word in words[:-1]:
            key, _, said = word.partition("=")
            if key == "scheme" and block.kind == "passdb":
                lines.append(f"default_password_scheme = {said}")
            elif key == "username_format":
                lines.append(f"auth_username_format = {to_24(said)}")
        return "\n  ".join(lines)
    if driver == "static" and block.kind == "userdb":
        fields = [word.partition("=") for word in value.split()]
        inside = "".join(f"    {key} = {to_24(said)}\n" for key, _, said in fields if said)
        return f"fields {{\n{inside}  }}"
    if driver == "pam" and value and "=" not in value:
        return f"pam_service_name = {value}"
    return None


def _line_23(setting: Setting, row: Renamed, block: Block) -> str | None:
    if row.scope == "plugin":
        return None
    value = rewritten(setting.value, "2.3")
    match row.change:
        case "same":
            return f"{row.old} = {value}"
        case "not":
            return f"{row.old} = {_swapped(value)}"
        case "file":
            return f"{row.old} = <{value}"
    if setting.name == "mail_path":
        driver = block.get("mail_driver")
        return f"mail_location = {driver}:{value}" if driver else None
    if setting.name == "mail_driver":
        return "" if block.get("mail_path") else None
    if setting.name == "passwd_file_path":
        return f"args = {value}"
    return "" if not row.old and not row.note else None
