"""What the auth process needs to start, and whether Dovecot runs with what the files say now."""

import os
import time
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from mailauth.dovecot import conffiles, drivers, inroot, processes
from mailauth.dovecot.authconfig import Passdb, SqlSource, Userdb
from mailauth.dovecot.conf import Block
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.releases import mechanisms as mechanisms_of
from mailauth.dovecot.version import Dialect
from mailauth.errors import CannotObserve
from mailauth.evidence import Running, Startup
from mailauth.oserrors import unseen
from mailauth.probes.passed_by import commented_includes, of_other_protocols
from mailauth.probes.process import NotRunning, master_process, running
from mailauth.probes.scene import Scene
from mailauth.probes.walk import without_useless
from mailauth.records import dataclass

_GSSAPI = ("GSSAPI", "GSS-SPNEGO")
_READINGS = 3
_SLACK = 1.0  # seconds: file times are coarse, and a reload takes a moment


def observe_startup(scene: Scene) -> Startup:
    """Compare what is configured with how this Dovecot was built and what is installed beside it."""
    config = scene.config
    known = set(mechanisms_of(config.version))
    folder = f"{config.tree.get('mail_plugin_dir', '/usr/lib/dovecot/modules')}/auth"
    installed: frozenset[str] | None = None
    try:
        installed = frozenset(inroot.entries(scene.dovecot.path(folder)))
    except PermissionError as why:
        raise unseen(folder, why) from None
    except OSError:
        pass  # the plugins are elsewhere, or there are none
    if "libmech_gssapi.so" in (installed or ()):
        known.update(_GSSAPI)
    if config.tree.get("auth_use_winbind") == "yes":
        known.update(("NTLM", "GSS-SPNEGO"))
    beside = _Beside(config.version.dialect, folder, _build(scene.dovecot), installed)
    missing = [_missing(beside, "passdb", passdb) for passdb in config.passdbs]
    missing += [_missing(beside, "userdb", userdb) for userdb in config.userdbs]
    mechanisms = config.mechanisms or _unnamed(scene)
    unknown = tuple(name for name in mechanisms if name not in known)
    unbuilt = _named(missing, "unbuilt")
    files: list[str] = []
    try:
        written = conffiles.read(Path(config.file), scene.dovecot.path, files)
    except CannotObserve:
        written, files = Block("", "", (), ()), []
    return Startup(
        source=folder,
        mechanisms=mechanisms,
        unknown=unknown,
        unbuilt=unbuilt,
        nameless=_nameless(config.tree, unbuilt) if config.version.dialect == "2.4" else (),
        absent=_named(missing, "absent"),
        passdbs=len(without_useless([one for one in config.passdbs if not one.master])),
        one=_of_one_name(written) if config.version.dialect == "2.4" else (),
        commented=commented_includes(scene, files),
        for_others=of_other_protocols(written, scene.service),
    )


def _of_one_name(tree: Block) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """2.4 takes a block of a name that it has had for more of that block: the later value counts."""
    blocks: dict[str, list[Block]] = {}
    for block in tree.all("passdb"):
        blocks.setdefault(block.name, []).append(block)
    return tuple(
        (f"passdb {name}", tuple(f"{one.file}:{one.line}" for one in found))
        for name, found in blocks.items()
        if any(_both_set(one, two) for one, two in pairwise(found))
    )


def _both_set(one: Block, two: Block) -> bool:
    """Some setting, each to a value of its own."""
    values = {each.name: each.value for each in one.settings}
    return any(values.get(each.name, each.value) != each.value for each in two.settings)


def _unnamed(scene: Scene) -> tuple[str, ...]:
    """The mechanisms where doveconf shows none: 2.4's doveconf -a shows nothing for the default, either."""
    if scene.config.version.dialect == "2.4":
        try:
            found = conffiles.read(Path(scene.config.file), scene.dovecot.path).find("auth_mechanisms")
        except CannotObserve:
            found = None
        if found is None or found.value.strip():
            return ("PLAIN",)
    return ()


@lru_cache(maxsize=8)
def _build(dovecot: Installation) -> dict[str, frozenset[str]]:
    """``dovecot --build-options``: "Passdb: ldap pam ...", "Userdb: ldap(plugin) passwd ..."."""
    found = {}
    for line in dovecot.run("dovecot", "--build-options").out.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found[key] = frozenset(value.replace("postgresql", "pgsql").split())
    if "Passdb" not in found:
        raise CannotObserve("dovecot --build-options names no passdb drivers.")
    return found


@dataclass(frozen=True, slots=True)
class _Beside:
    """What this Dovecot was built with, and the plugins that are installed (None: no such folder)."""

    dialect: Dialect
    folder: str
    build: dict[str, frozenset[str]]
    installed: frozenset[str] | None

    def plugin(self, name: str) -> str:
        """Say "absent" or "".  Raises CannotObserve where the plugins are elsewhere."""
        if self.installed is None:
            raise CannotObserve(
                f"{self.folder}: there is no such folder; whether {name} is installed is open."
            )
        return "" if name in self.installed else "absent"


def _missing(beside: _Beside, kind: str, one: Passdb | Userdb) -> tuple[str, str]:
    """The driver, and "unbuilt", "absent" or "": whether it is neither in the program nor beside it."""
    if isinstance(one.source, SqlSource):
        inside = one.driver in beside.build.get("SQL drivers", ())
        return one.driver, "" if inside else beside.plugin(f"libdriver_{one.driver}.so")
    listed = beside.build.get(kind.capitalize(), {one.driver})
    match drivers.home(kind, one.driver, beside.dialect):
        case drivers.Home.ALWAYS:
            return one.driver, ""
        case drivers.Home.LISTED:
            return one.driver, "" if one.driver in listed else "unbuilt"
        case drivers.Home.PLUGIN:
            # Where it is a plugin the userdbs' list says "ldap(plugin)", and the passdbs' "ldap" (measured).
            inside = one.driver in beside.build.get("Userdb", ())
            return one.driver, "" if inside else beside.plugin(drivers.plugin(one.driver))
        case _:
            return one.driver, "unbuilt"


# Settings that blocks of one driver have.  Source: 2.4.1, src/auth: passdb-*.c, userdb-*.c, db-*.c.
_OF_DRIVER = {
    "passwd_file_path": "passwd-file",
    "query": "sql",
    "sql_query": "sql",
    "filter": "ldap",
    "bind_userdn": "ldap",
    "service_name": "pam",
    "lua_file": "lua",
}


def _nameless(tree: Block, unbuilt: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """2.4's blocks that name no driver, where their own name is none either."""
    found = []
    for kind in ("passdb", "userdb"):
        for block in tree.all(kind):
            if block.name in unbuilt and not block.find("driver") and not block.find(f"{kind}_driver"):
                names = [setting.name.removeprefix(f"{kind}_") for setting in block.settings]
                meant = next((_OF_DRIVER[name] for name in names if name in _OF_DRIVER), "")
                found.append((f"{kind} {block.name}", meant))
    return tuple(found)


def _named(missing: list[tuple[str, str]], how: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(driver for driver, one in missing if one == how))


def observe_running(scene: Scene) -> Running:
    """Whether the master runs, and the files that are newer than the auth process.

    A reload starts auth again, so whatever is newer than auth was not read.  What is older may have been
    read or not: nothing is said of it.  Raises CannotObserve when processes may not be seen.
    """
    config = scene.config
    try:
        master = master_process(scene.dovecot, config)
        # After a reload the one from before may stay for a while, for the connections that it has.
        began = max(map(_started, running(master, "auth")), default=None)
    except NotRunning:
        return Running(f"{config.base_dir}/master.pid", None, "", ())
    source = f"/proc/{master.pid}"
    if began is None:
        return Running(source, master.pid, "", ())
    changed = [name for name in _files(scene) if _changed(scene.dovecot.path(name)) > began + _SLACK]
    shown = datetime.fromtimestamp(began).astimezone().isoformat(" ", "seconds")
    return Running(source, master.pid, shown, tuple(changed))


def _started(pid: int) -> float:
    """When it began, to a hundredth of a second: btime, which psutil adds, is a whole one."""
    try:
        ticks = processes.began(pid)
    except OSError:
        return time.time()
    # Two clocks: what passes between the two readings makes the machine seem to have begun earlier.
    booted = max(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) for _ in range(_READINGS))
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def _files(scene: Scene) -> list[str]:
    names: list[str] = []
    try:
        conffiles.read(Path(scene.config.file), scene.dovecot.path, names)
    except CannotObserve:
        return []
    places = [one.source.place for one in scene.config.passdbs if isinstance(one.source, SqlSource)]
    return list(dict.fromkeys([*names, *(place for place in places if place.startswith("/"))]))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
