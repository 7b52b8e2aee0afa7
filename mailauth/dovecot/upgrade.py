"""A configuration of 2.3 in 2.4's words, line by line.  Pure but for the files of drivers that it asks for.

What it makes of a configuration is started on a real 2.4.1 by tests/dovecot/test_upgrade.py.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import field

from mailauth.dovecot.conf import Block, Setting
from mailauth.dovecot.misfit import Misfit, is_secret
from mailauth.dovecot.renamed import Renamed, Scope, in_24
from mailauth.dovecot.upgrade_drivers import ReadExt, args_24
from mailauth.dovecot.upgrade_values import is_literal, line_24, mail_24
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve
from mailauth.records import dataclass

_SCOPES: dict[str, Scope] = {"passdb": "passdb", "userdb": "userdb", "service": "service"}
# Blocks in which settings of the top level stand; others have settings of their own, or are lists.
_WITH_SETTINGS = frozenset({"protocol", "local", "remote", "local_name", "passdb", "userdb", "service"})
_GONE = re.compile(
    r"(?:director|old_stats|replication|replicator)_\w+|config_cache_size|auth_stats|dict_db_config"
)
_GONE_SERVICES = frozenset({"director", "replicator", "aggregator", "old-stats"})
_NAMELESS = {"namespace": "inbox", "inet_listener": "listener", "dict": "server"}
_SWAP = {"yes": "no", "no": "yes"}


@dataclass(slots=True)
class _Way:
    """What the lines depend on, and the names that blocks have been given so far."""

    version: Version
    line_of: Callable[[str, int], str]
    read: ReadExt
    names: set[tuple[str, str]] = field(default_factory=set)

    def name(self, kind: str, wanted: str) -> str:
        """A name that no other block of that kind has: the second that asks for "sql" is "sql2"."""
        number, name = 1, wanted
        while (kind, name) in self.names:
            number += 1
            name = f"{wanted}{number}"
        self.names.add((kind, name))
        return name

    def misfit(self, setting: Setting, means: str, new: str | None, *, secret: bool = False) -> Misfit:
        old = "" if secret else self.line_of(setting.file, setting.line)
        numbers = range(setting.line + 1, setting.last + 1)
        more = () if secret else tuple((n, self.line_of(setting.file, n)) for n in numbers)
        return Misfit(setting.file, setting.line, setting.name, means, old, None if secret else new, more)


def upgraded(
    tree: Block, version: Version, line_of: Callable[[str, int], str], read: ReadExt
) -> Iterator[Misfit]:
    """Every line that a 2.4 of ``version`` refuses or takes for something else."""
    yield from _block(tree, "", _Way(version, line_of, read))


def _block(block: Block, scope: Scope, way: _Way) -> Iterator[Misfit]:
    for setting in block.settings:
        yield from _setting(setting, scope, block, way)
    for inner in block.blocks:
        yield from _inner(inner, scope, way)


def _inner(block: Block, scope: Scope, way: _Way) -> Iterator[Misfit]:
    if block.kind == "plugin" and scope == "":
        yield from _plugin(block, way)
    elif (block.kind == "dict" and not block.name) or (
        block.kind == "service" and block.name in _GONE_SERVICES
    ):
        yield from _without(block, way)
    else:
        yield from _head(block, way)
        if scope == "" and block.kind in _WITH_SETTINGS:
            yield from _block(block, _SCOPES.get(block.kind, ""), way)
        elif block.kind == "namespace":
            yield from _namespace(block, way)
        elif block.kind == "inet_listener":
            yield from _listener(block, way)


def _head(block: Block, way: _Way) -> Iterator[Misfit]:
    """A block without a name."""
    if block.kind in ("passdb", "userdb") and not block.name:
        name = way.name(block.kind, block.get("driver") or "sql")
        means = f"2.4 wants a name of its own after {block.kind}"
    elif block.kind in _NAMELESS and not block.name:
        name = way.name(block.kind, _NAMELESS[block.kind])
        means = f"2.4 wants a name after {block.kind}"
    else:
        way.names.add((block.kind, block.name))
        return
    old = way.line_of(block.file, block.line)
    yield Misfit(block.file, block.line, block.kind, means, old, f"{block.kind} {name} {{")


def _setting(setting: Setting, scope: Scope, block: Block, way: _Way) -> Iterator[Misfit]:
    if scope == "" and _GONE.fullmatch(setting.name):
        yield way.misfit(setting, "2.4 has no such setting", "")
        return
    row = in_24(scope, setting.name)
    if row:
        secret = is_secret(setting)
        yield way.misfit(setting, row.said, None if secret else _new(setting, row, block, way), secret=secret)
        return
    line = line_24(setting.name, setting.value)
    plain = f"{setting.name} = {setting.value.strip()}"
    if line == plain or is_secret(setting) or (scope == "passdb" and setting.name == "name"):
        return
    if is_literal(setting.name, setting.value):
        means = "2.4 takes 2.3's variables in it for ordinary characters"
    else:
        means = f"2.4 writes {setting.value.strip()!r} otherwise"
    yield way.misfit(setting, means, line)


def _new(setting: Setting, row: Renamed, block: Block, way: _Way) -> str | None:
    """The line of 2.4 that does the work of one with another name; "" where none is needed."""
    value = setting.value.strip()
    match row.change:
        case "same":
            return line_24(row.new, value)
        case "not":
            return f"{row.new} = {_SWAP.get(value, 'no')}"
        case "file":
            # Without the "<" the certificate itself stands in the line
            return _file(row.new, value)
    if row.old == "args":
        try:
            return args_24(block, value, way.version, way.read)
        except CannotObserve:
            return None
    if by_hand := _BY_NAME.get(row.old):
        return by_hand(value)
    return "" if not row.new and not row.note else None


def _file(name: str, value: str) -> str | None:
    return f"{name} = {value.removeprefix('<').strip()}" if value.startswith("<") else None


def _fields(value: str) -> str:
    pairs = (word.partition("=") for word in value.split())
    inside = [line_24(key, said or "yes") or "" for key, _, said in pairs]
    return "fields {\n" + "".join(f"    {one}\n" for one in inside) + "  }"


_BY_NAME: dict[str, Callable[[str], str | None]] = {
    "mail_location": mail_24,
    "auth_worker_max_count": lambda value: f"service auth-worker {{\n  process_limit = {value}\n}}",
    "verbose_ssl": lambda value: "log_debug = category=ssl" if value == "yes" else "",
    "ssl_ca": lambda value: _file("ssl_server_ca_file", value),
    "pass": lambda value: "result_success = continue" if value == "yes" else "",
    "override_fields": _fields,
}


def _namespace(block: Block, way: _Way) -> Iterator[Misfit]:
    for setting in block.settings:
        if setting.name == "location":
            new = mail_24(setting.value) if setting.value.strip() else ""
            yield way.misfit(setting, "it is mail_driver and mail_path in 2.4", new)
        elif is_literal(setting.name, setting.value):
            means = "2.4 takes 2.3's variables in it for ordinary characters"
            yield way.misfit(setting, means, line_24(setting.name, setting.value))


def _listener(block: Block, way: _Way) -> Iterator[Misfit]:
    for setting in block.settings:
        if setting.name == "address":
            yield way.misfit(setting, "it is listen in 2.4", f"listen = {setting.value.strip()}")


def _plugin(block: Block, way: _Way) -> Iterator[Misfit]:
    """Its settings stand at the top level in 2.4, most of them with other names."""
    means = "2.4 has its settings at the top level"
    yield Misfit(block.file, block.line, "plugin", means, way.line_of(block.file, block.line), "")
    for setting in block.settings:
        yield _of_plugin(setting, way)
    yield Misfit(block.file, block.last, "}", "it ends plugin", way.line_of(block.file, block.last), "")


def _of_plugin(setting: Setting, way: _Way) -> Misfit:
    name, value = setting.name, setting.value.strip()
    if is_secret(setting):
        return way.misfit(setting, "it stands at the top level in 2.4", None, secret=True)
    quota = re.fullmatch(r"\w+:([^:]*).*", value)
    size = re.fullmatch(r"\*:storage=([0-9]+[A-Za-z]?)", value)
    row = in_24("plugin", name)
    if name == "sieve" and (found := re.fullmatch(r"file:([^;]+)(?:;active=(.+))?", value)):
        active = f"\n  active_path = {found[2]}" if found[2] else ""
        new: str | None = f"sieve_script personal {{\n  path = {found[1]}{active}\n}}"
    elif name == "quota" and quota:
        new = f'quota "{quota[1] or "User quota"}" {{\n}}'
    elif name == "quota_rule" and size:
        new = f"quota_storage_size = {size[1]}"
    else:
        new = line_24(row.new, value) if row and row.change == "same" else None
    return way.misfit(setting, row.said if row else "2.4 has it at the top level, by another name", new)


def _without(block: Block, way: _Way) -> Iterator[Misfit]:
    """A block that 2.4 has no use for goes, line by line; a dict with something in it is left to a person."""
    head = way.line_of(block.file, block.line)
    if block.kind == "dict" and block.settings:
        yield Misfit(block.file, block.line, "dict", "it is dict_server { dict NAME { } } in 2.4", head)
        return
    means = "2.4 has no such service" if block.kind == "service" else "2.4 wants a name after dict"
    more = tuple((n, way.line_of(block.file, n)) for n in range(block.line + 1, block.last + 1))
    yield Misfit(block.file, block.line, block.kind, means, head, "", more)
