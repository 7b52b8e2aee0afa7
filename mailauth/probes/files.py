"""The files that Dovecot reads for a login: whether they are there, who reads them, who else can.

Measured on 2.3.19.1 and 2.4.1: a passwd-file is opened by the auth process as the user that service auth
runs as; 2.3's SQL file and the configuration are read by root before that.
"""

import grp
import os
import pwd
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mailauth.dovecot import conf
from mailauth.dovecot.authconfig import FileSource
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, unseen
from mailauth.evidence import AuthFile, AuthFiles, LoginSocket, NotApplicable, WorkerSocket
from mailauth.probes.scene import Scene

# Settings that hold a secret; where a value holds one among other words, it has password= in it.
_SECRETS = re.compile(r"(?:^|_)(?:password|dnpass|api_key|api_header|client_secret|hash_nonce)$")
_WITH_SECRETS = frozenset({"connect", "args", "uris"})


@dataclass(frozen=True, slots=True)
class _Account:
    """A user of the system that Dovecot runs on."""

    uid: int
    groups: frozenset[int]
    group: str


def observe_files(scene: Scene) -> AuthFiles:
    """Every file once.  Raises CannotObserve when even their names are unknown."""
    found: dict[str, AuthFile] = {}
    for path, role, reader, secrets in _wanted(scene):
        if path not in found:
            seen = _look_at(scene.dovecot, path, role, reader, secret=secrets is not None)
            found[path] = replace(seen, secrets=secrets or ())
    return AuthFiles("the files' modes", tuple(found.values()))


def _wanted(scene: Scene) -> Iterator[tuple[str, str, str, tuple[str, ...] | None]]:
    """Path, role, the user that reads it, and the places of secrets in it; None where it has none.

    The passwd-file of a passdb is one as a whole, but for a list of those who are denied.
    """
    config = scene.config
    for passdb in config.passdbs:
        if isinstance(passdb.source, FileSource) and _plain(passdb.source.path):
            secret = None if passdb.deny else ()
            yield passdb.source.path, "passwd-file", config.runs_as(passdb.verified_by), secret
    for userdb in config.userdbs:
        if isinstance(userdb.source, FileSource) and _plain(userdb.source.path):
            yield userdb.source.path, "passwd-file", config.runs_as("auth"), None
    for block in (*config.tree.all("passdb"), *config.tree.all("userdb")):
        if config.version.dialect == "2.3" and block.get("driver") in ("sql", "ldap"):
            place = block.get("args")
            yield place, "SQL settings", "root", _secrets(scene, place, ext=True).get(place)
    secrets = _secrets(scene, config.file)
    for path in _names(scene):
        yield path, "configuration", "root", secrets.get(path)


def _plain(path: str) -> bool:
    """A path without variables; /etc/passwd is for everyone to read."""
    return path.startswith("/") and "%" not in path and path != "/etc/passwd"


def _names(scene: Scene) -> tuple[str, ...]:
    """The configuration's files."""
    names: list[str] = []
    with suppress(CannotObserve):
        conf.read(Path(scene.config.file), scene.dovecot.path, names)
    return tuple(dict.fromkeys(names))


def _secrets(scene: Scene, file: str, *, ext: bool = False) -> dict[str, tuple[str, ...]]:
    """The settings with a secret, by file, in this one and all that it includes."""
    found: dict[str, list[str]] = {}
    try:
        tree = conf.read(Path(file), scene.dovecot.path, ext=ext)
    except CannotObserve:
        return {}
    for one in (setting for block in tree.walk() for setting in block.settings):
        if one.value.startswith(("<", "%{env:")):
            continue
        hidden = one.name in _WITH_SECRETS and "password=" in one.value
        if hidden or (one.value and _SECRETS.search(one.name)):
            found.setdefault(one.file, []).append(f"{one.place} {one.name}")
    return {name: tuple(places) for name, places in found.items()}


def _look_at(dovecot: Installation, path: str, role: str, reader: str, *, secret: bool) -> AuthFile:
    try:
        state = dovecot.path(path).stat()
    except FileNotFoundError:
        return AuthFile(path, role, reader, missing=True, open_to_all=False)
    except OSError as why:
        raise unseen(path, why, "cannot be looked at") from None
    if not stat.S_ISREG(state.st_mode) and role == "passwd-file":
        return AuthFile(path, role, reader, missing=True, open_to_all=False)
    open_to_all = secret and state.st_size > 0 and bool(state.st_mode & stat.S_IROTH)
    account = None if reader == "root" else _account(dovecot, reader)
    by, why_not = _stopped(dovecot, path, account) if account else ("", "")
    return AuthFile(
        path=path,
        role=role,
        reader=reader,
        missing=False,
        open_to_all=open_to_all and all(_bits(one) & stat.S_IXOTH for one in _folders(dovecot, path)),
        mode=stat.S_IMODE(state.st_mode),
        group=account.group if account else "root",
        stopped_by=by,
        stopped_why=why_not,
    )


def observe_login_socket(scene: Scene) -> LoginSocket | NotApplicable:
    """Source: src/login-common/main.c of 2.3.19.1 and 2.4.1: a login process connects to login/login."""
    config = scene.config
    logins = {f"{protocol}-login" for protocol in config.protocols} & {
        "imap-login", "pop3-login", "submission-login", "managesieve-login"
    }  # fmt: skip
    if not logins:
        return NotApplicable(LoginSocket, "no protocol of this Dovecot has a login process")
    user = config.tree.get("default_login_user", "dovenull")
    path = f"{config.base_dir}/login/login"
    account = _account(scene.dovecot, user)
    folder = scene.dovecot.path(path).parent
    try:
        state = scene.dovecot.path(path).stat()
        inside = folder.stat()
    except FileNotFoundError:
        running = scene.dovecot.has(f"{config.base_dir}/master.pid")
        if not running:
            return NotApplicable(LoginSocket, "Dovecot is not running")
        return LoginSocket(path, path, user, missing=True, allowed=False)
    except OSError as why:
        raise unseen(path, why, "cannot be looked at") from None
    if account is not None and account.uid and not _allows(inside, account):
        mode = stat.S_IMODE(inside.st_mode)
        closed = path.removesuffix("/login")
        return LoginSocket(path, path, user, missing=False, allowed=False, mode=mode, closed=closed)
    allowed = account is None or _may_connect(state, account)
    return LoginSocket(path, path, user, missing=False, allowed=allowed, mode=stat.S_IMODE(state.st_mode))


def observe_worker_socket(scene: Scene) -> WorkerSocket | NotApplicable:
    """Source: src/auth/auth-worker-server.c of 2.3.19.1: auth connects to auth-worker below base_dir."""
    config = scene.config
    if not any(passdb.verified_by == "auth-worker" for passdb in config.passdbs):
        return NotApplicable(WorkerSocket, "no passdb is asked by a worker")
    path = f"{config.base_dir}/auth-worker"
    try:
        state = scene.dovecot.path(path).stat()
    except FileNotFoundError:
        return NotApplicable(WorkerSocket, "Dovecot is not running, or has no such socket")
    except OSError as why:
        raise unseen(path, why, "cannot be looked at") from None
    user = config.runs_as("auth")
    account = _account(scene.dovecot, user)
    allowed = account is None or _may_connect(state, account)
    return WorkerSocket(path, path, user, allowed, stat.S_IMODE(state.st_mode), _owner(state))


def _may_connect(state: os.stat_result, account: _Account) -> bool:
    """To connect to a socket is to write to it."""
    if account.uid in (0, state.st_uid):
        return account.uid == 0 or bool(state.st_mode & stat.S_IWUSR)
    return bool(state.st_mode & (stat.S_IWGRP if state.st_gid in account.groups else stat.S_IWOTH))


def _folders(dovecot: Installation, path: str) -> list[Path]:
    return [dovecot.path(str(folder)) for folder in reversed(Path(path).parents)]


def _bits(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _account(dovecot: Installation, name: str) -> _Account | None:
    """The user of that name; None where there is none."""
    if not dovecot.pid:
        try:
            user = pwd.getpwnam(name)
            group = grp.getgrgid(user.pw_gid).gr_name
        except KeyError:
            return None
        return _Account(user.pw_uid, frozenset(os.getgrouplist(name, user.pw_gid)), group)
    try:
        users = dovecot.path("/etc/passwd").read_text("utf-8", "replace")
        groups = dovecot.path("/etc/group").read_text("utf-8", "replace")
    except OSError:
        return None
    rows = [row for row in (line.split(":") for line in groups.splitlines()) if len(row) > 3]
    for line in users.splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[0] == name:
            more = {int(row[2]) for row in rows if name in row[3].split(",")}
            group = next((row[0] for row in rows if row[2] == fields[3]), fields[3])
            return _Account(int(fields[2]), frozenset({int(fields[3]), *more}), group)
    return None


def _stopped(dovecot: Installation, path: str, account: _Account) -> tuple[str, str]:
    """The first thing on the way that this user may not enter or read, and its mode; "" where it may.

    What has an access list is taken as free: the mode alone does not say.
    """
    for place in (*_folders(dovecot, path), dovecot.path(path)):
        try:
            state = place.stat()
            listed = "system.posix_acl_access" in os.listxattr(place)
        except OSError:
            continue
        if not listed and account.uid and not _allows(state, account):
            shown = str(place).removeprefix(f"/proc/{dovecot.pid}/root") if dovecot.pid else str(place)
            return shown, f"mode {stat.S_IMODE(state.st_mode):04o}, of {_owner(state)}"
    return "", ""


def _allows(state: os.stat_result, account: _Account) -> bool:
    """Entering a folder, reading a file."""
    folder = stat.S_ISDIR(state.st_mode)
    if state.st_uid == account.uid:
        return bool(state.st_mode & (stat.S_IXUSR if folder else stat.S_IRUSR))
    if state.st_gid in account.groups:
        return bool(state.st_mode & (stat.S_IXGRP if folder else stat.S_IRGRP))
    return bool(state.st_mode & (stat.S_IXOTH if folder else stat.S_IROTH))


def _owner(state: os.stat_result) -> str:
    """Names where this machine has them."""
    try:
        return f"{pwd.getpwuid(state.st_uid).pw_name}:{grp.getgrgid(state.st_gid).gr_name}"
    except KeyError:
        return f"{state.st_uid}:{state.st_gid}"
