"""What the auth process needs to start, and whether Dovecot runs with what the files say now."""

import os
import time
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from mailauth.dovecot import conf
from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, unseen
from mailauth.evidence import Running, Startup
from mailauth.probes.process import NotRunning, master_process, running
from mailauth.probes.scene import Scene

# Source: mech_init(), src/auth/mech.c of 2.3.19.1 and 2.4.1, src/lib-sasl of 2.4.4.  GSSAPI is a plugin in
# Debian; WINBIND's NTLM needs auth_use_winbind; both are left to Dovecot.
_MECHANISMS = {
    "2.3": "PLAIN LOGIN APOP CRAM-MD5 DIGEST-MD5 EXTERNAL OTP SCRAM-SHA-1 SCRAM-SHA-256 ANONYMOUS OAUTHBEARER"
    " XOAUTH2",
    "2.4": "PLAIN LOGIN APOP CRAM-MD5 DIGEST-MD5 EXTERNAL OTP SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256"
    " SCRAM-SHA-256-PLUS ANONYMOUS OAUTHBEARER XOAUTH2",
}
_GSSAPI = ("GSSAPI", "GSS-SPNEGO")
_PLUGINS = {"ldap": "libauthdb_ldap.so", "imap": "libauthdb_imap.so", "lua": "libauthdb_lua.so"}
# Drivers that are a part of the program itself and that no list of the build names
_ALWAYS = frozenset({"static", "oauth2", "passwd-file", "prefetch", "imap"})
_READINGS = 3
_SLACK = 1.0  # seconds: file times are coarse, and a reload takes a moment


def observe_startup(scene: Scene) -> Startup:
    """Compare what is configured with how this Dovecot was built and what is installed beside it."""
    config = scene.config
    known = set(_MECHANISMS[config.version.dialect].split())
    folder = f"{config.tree.get('mail_plugin_dir', '/usr/lib/dovecot/modules')}/auth"
    try:
        installed = frozenset(path.name for path in scene.dovecot.path(folder).iterdir())
    except PermissionError as why:
        raise unseen(folder, why) from None
    except OSError:
        installed = frozenset()
    if "libmech_gssapi.so" in installed:
        known.update(_GSSAPI)
    if config.tree.get("auth_use_winbind") == "yes":
        known.update(("NTLM", "GSS-SPNEGO"))
    build = _build(scene.dovecot)
    unbuilt: list[str] = []
    absent: list[str] = []
    for passdb in config.passdbs:
        missing = _missing(passdb.driver, build, installed, sql=isinstance(passdb.source, SqlSource))
        {"unbuilt": unbuilt, "absent": absent, "": []}[missing].append(passdb.driver)
    mechanisms = config.mechanisms or _unnamed(scene)
    unknown = tuple(name for name in mechanisms if name not in known)
    return Startup(
        source=folder,
        mechanisms=mechanisms,
        unknown=unknown,
        unbuilt=tuple(dict.fromkeys(unbuilt)),
        absent=tuple(dict.fromkeys(absent)),
        passdbs=len(config.passdbs),
    )


def _unnamed(scene: Scene) -> tuple[str, ...]:
    """The mechanisms where doveconf shows none: 2.4's doveconf -a shows nothing for the default, either."""
    if scene.config.version.dialect == "2.4":
        try:
            found = conf.read(Path(scene.config.file), scene.dovecot.path).find("auth_mechanisms")
        except CannotObserve:
            found = None
        if found is None or found.value.strip():
            return ("PLAIN",)
    return ()


@lru_cache(maxsize=8)
def _build(dovecot: Installation) -> dict[str, frozenset[str]]:
    """``dovecot --build-options``: "SQL driver plugins: mysql postgresql sqlite", "Passdb: ldap pam ..."."""
    found = {}
    for line in dovecot.run("dovecot", "--build-options").out.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            words = value.replace("postgresql", "pgsql").split()
            found[key] = frozenset(word.removesuffix("(plugin)") for word in words)
    if "Passdb" not in found:
        raise CannotObserve("dovecot --build-options names no passdb drivers.")
    return found


def _missing(driver: str, build: dict[str, frozenset[str]], installed: frozenset[str], *, sql: bool) -> str:
    """Say "unbuilt", "absent" or "": whether the driver is neither in the program nor beside it."""
    if sql:
        if driver in build.get("SQL drivers", ()):
            return ""
        return "" if f"libdriver_{driver}.so" in installed else "absent"
    if driver in _ALWAYS:
        return ""
    if driver in _PLUGINS:
        inside = driver in build["Passdb"] and driver != "ldap"
        return "" if inside or _PLUGINS[driver] in installed else "absent"
    return "" if driver in build["Passdb"] else "unbuilt"


def observe_running(scene: Scene) -> Running:
    """Whether the master runs, and the files that are newer than the auth process.

    A reload starts auth anew, so whatever is newer than auth was not read.  What is older may have been
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
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return time.time()
    ticks = int(fields[19])  # starttime, the 22nd field
    # Two clocks: what passes between the two readings makes the machine seem to have begun earlier.
    booted = max(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) for _ in range(_READINGS))
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def _files(scene: Scene) -> list[str]:
    names: list[str] = []
    try:
        conf.read(Path(scene.config.file), scene.dovecot.path, names)
    except CannotObserve:
        return []
    places = [one.source.place for one in scene.config.passdbs if isinstance(one.source, SqlSource)]
    return list(dict.fromkeys([*names, *(place for place in places if place.startswith("/"))]))


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
