"""Passdbs that the files have, and a login does not ask.

They are in a file whose include is a comment, as Debian's auth-sql.conf.ext is, or in a block of other
protocols.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mailauth.dovecot import conffiles, inroot
from mailauth.dovecot.conf import Block
from mailauth.errors import CannotObserve
from mailauth.evidence import Commented
from mailauth.probes.scene import Scene

_INCLUDE = re.compile(r"\s*#[#\s]*!include(?:_try)?\s+(\S+)\s*")
_MOST = 50  # lines, of all files
_WITH_ARGS = frozenset({"sql", "ldap"})  # of 2.3: their settings are in a file that args names


def commented_includes(scene: Scene, read: list[str]) -> tuple[Commented, ...]:
    """Those whose passdb would have something to look into: a file of users, a query, a directory.

    ``read``: the files of the configuration.
    """
    lines = conffiles.Lines(scene.dovecot.path)
    found = []
    for place, pattern in _comments(read, lines):
        full = str(Path(place.rpartition(":")[0]).parent / pattern)
        drivers: dict[str, None] = {}
        for name in _files(scene, full):
            if name not in read:
                drivers |= dict.fromkeys(_drivers(scene, name, lines))
        if drivers:
            found.append(Commented(place, pattern, tuple(drivers)))
    return tuple(found)


def of_other_protocols(tree: Block, service: str) -> tuple[tuple[str, str, str], ...]:
    """Those in blocks such as protocol imap { }, where the login is by another one.  ``tree``: the files."""
    return tuple(
        (_driver(one), block.name, f"{one.file}:{one.line}")
        for block in tree.walk()
        if block.kind == "protocol" and not _of(block.name, service)
        for one in block.all("passdb")
    )


def _driver(passdb: Block) -> str:
    return passdb.get("driver") or passdb.get("passdb_driver") or passdb.name


def _of(protocols: str, service: str) -> bool:
    """Whether a block of these protocols counts: "imap", or "!pop3" for each other one."""
    if protocols.startswith("!"):
        return service != protocols[1:]
    return service == protocols


def _comments(files: list[str], lines: conffiles.Lines) -> list[tuple[str, str]]:
    found = [
        (f"{name}:{number}", at[1])
        for name in dict.fromkeys(files)
        for number, line in enumerate(lines.of(name), 1)
        if (at := _INCLUDE.fullmatch(line))
    ]
    return found[:_MOST]


def _files(scene: Scene, pattern: str) -> list[str]:
    try:
        return inroot.names(pattern, scene.dovecot.path)
    except CannotObserve:
        return []


def _drivers(scene: Scene, name: str, lines: conffiles.Lines) -> Iterator[str]:
    try:
        tree = conffiles.read(Path(name), scene.dovecot.path)
    except CannotObserve:
        return
    for block in tree.all("passdb"):
        driver = _driver(block)
        if (
            block.get("deny") != "yes"
            and block.get("master") != "yes"
            and _of_use(scene, block, driver, lines)
        ):
            yield driver


def _of_use(scene: Scene, block: Block, driver: str, lines: conffiles.Lines) -> bool:
    """What its distribution ships names files that are not there, or that are comments throughout."""
    names = {setting.name.removeprefix("passdb_") for setting in block.settings}
    args = block.get("args").split()
    if driver == "passwd-file":
        path = block.get("passwd_file_path") or block.get("passdb_passwd_file_path") or (args or [""])[-1]
        return "%" in path or scene.dovecot.path(path).is_file()
    if driver not in _WITH_ARGS:
        return False
    if scene.config.version.dialect == "2.4":
        return bool(names & {"query", "sql_query", "filter", "ldap_filter", "ldap_bind_userdn"})
    return bool(args) and any(
        line.strip() and not line.lstrip().startswith("#") for line in lines.of(args[-1])
    )
