"""The files that Dovecot reads for a login: whether they are there, who reads them, who else can.

Measured on 2.3.19.1 and 2.4.1: a passwd-file is opened by the auth process as the user that service auth
runs as; 2.3's SQL file and the configuration are read by root before that.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from mailauth.dovecot import conf
from mailauth.dovecot.authconfig import FileSource
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.evidence import AuthFile, AuthFiles
from mailauth.probes.scene import Scene

_SECRETS = frozenset({"connect", "auth_policy_server_api_header"})


def observe_files(scene: Scene) -> AuthFiles:
    """Every file once.  Raises CannotObserve when even their names are unknown."""
    found: dict[str, AuthFile] = {}
    for path, role, reader, secret in _wanted(scene):
        if path not in found:
            found[path] = _look_at(scene.dovecot, path, role, reader, secret=secret)
    return AuthFiles("the files' modes", tuple(found.values()))


def _wanted(scene: Scene) -> Iterator[tuple[str, str, str, bool]]:
    """Path, role, the user that reads it, and whether it holds a secret."""
    config = scene.config
    for passdb in config.passdbs:
        if passdb.driver == "passwd-file" and isinstance(passdb.source, FileSource):
            path = passdb.source.path
            if path.startswith("/") and "%" not in path:
                yield path, "passwd-file", config.runs_as(passdb.verified_by), True
    for block in (*config.tree.all("passdb"), *config.tree.all("userdb")):
        if config.version.dialect == "2.3" and block.get("driver") in ("sql", "ldap"):
            yield block.get("args"), "SQL settings", "root", True
    for path, secret in _configuration(scene):
        yield path, "configuration", "root", secret


def _configuration(scene: Scene) -> Iterator[tuple[str, bool]]:
    """The configuration's files, and whether one has a password in it."""
    names: list[str] = []
    try:
        tree = conf.read(Path(scene.config.file), scene.dovecot.path, names)
    except CannotObserve:
        return
    secret = {
        s.file
        for block in tree.walk()
        for s in block.settings
        if s.name.split("_")[-1] == "password" or s.name in _SECRETS
        if s.value and not s.value.startswith("<")
    }
    for name in dict.fromkeys(names):
        yield name, name in secret


def _look_at(dovecot: Installation, path: str, role: str, reader: str, *, secret: bool) -> AuthFile:
    here = dovecot.path(path)
    try:
        state = here.stat()
    except FileNotFoundError:
        return AuthFile(path, role, reader, missing=True, stopped="", open_to_all=False)
    except OSError as why:
        raise CannotObserve(f"{path}: cannot be looked at ({why.strerror}); run mailauth as root.") from None
    if role == "passwd-file" and not stat.S_ISREG(state.st_mode):
        return AuthFile(path, role, reader, missing=True, stopped="", open_to_all=False)
    if state.st_size == 0 or not secret:
        open_to_all = False
    else:
        open_to_all = bool(state.st_mode & stat.S_IROTH) and all(
            _bits(folder) & stat.S_IXOTH for folder in _folders(dovecot, path)
        )
    stopped = ""
    if reader != "root":
        user = _account(dovecot, reader)
        stopped = _stopped(dovecot, path, user) if user else ""
    return AuthFile(
        path, role, reader, missing=False, stopped=stopped, open_to_all=open_to_all,
        mode=stat.S_IMODE(state.st_mode),
    )  # fmt: skip


def _folders(dovecot: Installation, path: str) -> list[Path]:
    return [dovecot.path(str(folder)) for folder in reversed(Path(path).parents)]


def _bits(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _account(dovecot: Installation, name: str) -> tuple[int, frozenset[int]] | None:
    """The number and the groups of a user of that Dovecot's system; None where it has no such user."""
    if not dovecot.pid:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            return None
        return user.pw_uid, frozenset(os.getgrouplist(name, user.pw_gid))
    try:
        users = dovecot.path("/etc/passwd").read_text("utf-8", "replace")
        groups = dovecot.path("/etc/group").read_text("utf-8", "replace")
    except OSError:
        return None
    for line in users.splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[0] == name:
            more = {
                int(entry[2])
                for entry in (row.split(":") for row in groups.splitlines())
                if len(entry) > 3 and name in entry[3].split(",")
            }
            return int(fields[2]), frozenset({int(fields[3]), *more})
    return None


def _stopped(dovecot: Installation, path: str, user: tuple[int, frozenset[int]]) -> str:
    """The first thing on the way that this user may not enter or read: "" when the way is free.

    A file with an access list is taken as readable: the mode alone does not say.
    """
    uid, groups = user
    for place in (*_folders(dovecot, path), dovecot.path(path)):
        try:
            state = place.stat()
            listed = "system.posix_acl_access" in os.listxattr(place)
        except OSError:
            continue
        if listed or uid == 0:
            continue
        folder = stat.S_ISDIR(state.st_mode)
        owner, group, other = (
            (stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH)
            if folder
            else (stat.S_IRUSR, stat.S_IRGRP, stat.S_IROTH)
        )
        bit = owner if state.st_uid == uid else group if state.st_gid in groups else other
        if not state.st_mode & bit:
            shown = str(place).removeprefix(f"/proc/{dovecot.pid}/root") if dovecot.pid else str(place)
            return f"{shown} (mode {stat.S_IMODE(state.st_mode):04o}, owner {_owner(state)})"
    return ""


def _owner(state: os.stat_result) -> str:
    """Names where this machine has them."""
    try:
        return f"{pwd.getpwuid(state.st_uid).pw_name}:{grp.getgrgid(state.st_gid).gr_name}"
    except KeyError:
        return f"{state.st_uid}:{state.st_gid}"
