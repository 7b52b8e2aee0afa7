"""Settings of the other dialect in a configuration's files, and the line that does their work in this one.

Pure but for what it is given.  A line that holds a secret is named and never quoted.
"""

from collections.abc import Callable, Iterator

from mailauth.dovecot.conf import Block, Setting
from mailauth.dovecot.misfit import Misfit, is_secret
from mailauth.dovecot.renamed import Renamed, Scope, in_23
from mailauth.dovecot.templates import rewritten
from mailauth.dovecot.upgrade import upgraded
from mailauth.dovecot.upgrade_drivers import ReadExt
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve

_SCOPES: dict[str, Scope] = {"passdb": "passdb", "userdb": "userdb", "service": "service"}
# Blocks in which settings of the top level stand; others have settings of their own, or are lists.
_WITH_SETTINGS = frozenset({"protocol", "local", "remote", "local_name", "passdb", "userdb", "service"})
_LIMITS = ("vsz_limit", "default_vsz_limit")


def _unread(file: str) -> Block:
    raise CannotObserve(f"{file}: was not looked at.")


def misfits(
    tree: Block, version: Version, line_of: Callable[[str, int], str], read: ReadExt = _unread
) -> tuple[Misfit, ...]:
    """Every line that a Dovecot of ``version`` refuses or misreads for being of the other dialect.

    In the files' order.  ``line_of(file, number)`` gives a line as it stands; ``read`` reads 2.3's files for
    a driver.
    """
    if version.dialect == "2.4":
        found = list(upgraded(tree, version, line_of, read))
    else:
        found = list(_of_block(tree, "", line_of))
    return tuple(sorted(found, key=lambda one: (one.file, one.line)))


def _of_block(block: Block, scope: Scope, line_of: Callable[[str, int], str]) -> Iterator[Misfit]:
    for setting in block.settings:
        if setting.name in _LIMITS and setting.value.strip() == "unlimited":
            yield _no_limit(setting, line_of)
        elif row := in_23(scope, setting.name):
            yield _misfit(setting, row, block, line_of)
    for inner in block.blocks:
        yield from _of_head(inner, scope, line_of)
        if scope == "" and inner.kind in _WITH_SETTINGS:
            yield from _of_block(inner, _SCOPES.get(inner.kind, ""), line_of)


def _no_limit(setting: Setting, line_of: Callable[[str, int], str]) -> Misfit:
    """2.4's word for no limit at all."""
    old = line_of(setting.file, setting.line)
    new = f"{setting.name} = 0"
    return Misfit(setting.file, setting.line, setting.name, "no limit is 0 in 2.3", old, new)


def _of_head(block: Block, scope: Scope, line_of: Callable[[str, int], str]) -> Iterator[Misfit]:
    """A block whose head 2.3 writes otherwise."""
    head = line_of(block.file, block.line)
    if row := in_23(scope, block.kind):
        if block.kind == "fields" and scope == "userdb":
            return  # taken with the userdb's own head
        yield Misfit(block.file, block.line, block.kind, _said_23(row), head)
    elif block.kind in ("passdb", "userdb") and block.name and not block.get("driver"):
        # 2.3 takes the name, and misses the driver
        new = f"{block.kind} {{\n  driver = {block.name}"
        yield Misfit(block.file, block.line, block.kind, "2.3 wants a driver in it", head, new)


def _misfit(setting: Setting, row: Renamed, block: Block, line_of: Callable[[str, int], str]) -> Misfit:
    if is_secret(setting):
        return Misfit(setting.file, setting.line, setting.name, _said_23(row))
    new = _line_23(setting, row, block)
    old = line_of(setting.file, setting.line)
    return Misfit(setting.file, setting.line, setting.name, _said_23(row), old, new)


def _said_23(row: Renamed) -> str:
    place = " in plugin { }" if row.scope == "plugin" else ""
    said = f"it is {row.old}{place} in 2.3" if row.old else "2.3 has no such setting"
    return f"{said} ({row.note})" if row.note and not row.old else said


def _swapped(value: str) -> str:
    return "no" if value.strip() == "yes" else "yes"


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
