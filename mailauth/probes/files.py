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
from dataclasses import replace
from pathlib import Path

from mailauth import digits
from mailauth.dovecot import conffiles
from mailauth.dovecot.authconfig import FileSource
from mailauth.dovecot.conf import words
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.templates import misread
from mailauth.dovecot.variables import expand, values
from mailauth.errors import CannotObserve
from mailauth.evidence import AuthFile, AuthFiles, LoginSocket, NotApplicable, WorkerSocket
from mailauth.oserrors import unseen
from mailauth.probes.scene import Scene
from mailauth.records import dataclass
from mailauth.stores.string_counts import files_of

# Settings that hold a secret; where a value holds one among other words, it has password= in it.
_SECRETS = re.compile(r"(?:^|_)(?:password|dnpass|api_key|api_header|client_secret|hash_nonce)$")
_VARIABLE = re.compile(r"%\{[^{}]*\}")
_WITH_SECRETS = frozenset({"connect", "args", "uris"})
_MOST_FILES = 1000  # of a path with variables


@dataclass(frozen=True, slots=True)
class _Account:
    """A user of the system that Dovecot runs on; ``group``: its name, or its number where ours may differ."""

    uid: int
    groups: frozenset[int]
    group: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file to look at, and the user that reads it; ``secrets``: their places in it, None: it has none."""

    path: str
    role: str
    reader: str
    secrets: tuple[str, ...] | None
    by_userdb: bool = False


def observe_files(scene: Scene) -> AuthFiles:
    """Every file once.  Raises CannotObserve when even their names are unknown."""
    found: dict[str, AuthFile] = {}
    for one in _wanted(scene):
        if one.path not in found:
            seen = _look_at(scene, one.path, one.role, one.reader, secret=one.secrets is not None)
            found[one.path] = replace(seen, secrets=one.secrets or (), by_userdbs=one.by_userdb)
    return AuthFiles("the files' modes", tuple(found.values()))


def _wanted(scene: Scene) -> Iterator[_Wanted]:
    """Those of the passdbs first: a path that comes up for a userdb first is read by userdbs alone.

    The passwd-file of a passdb is a secret as a whole, but for a list of those who are denied.
    """
    config = scene.config
    for passdb in config.passdbs:
        if isinstance(passdb.source, FileSource):
            for path in _passwd_files(scene, passdb.source):
                secret = None if passdb.deny else ()
                yield _Wanted(path, "passwd-file", config.runs_as(passdb.verified_by), secret)
    for userdb in config.userdbs:
        if isinstance(userdb.source, FileSource):
            for path in _passwd_files(scene, userdb.source):
                yield _Wanted(path, "passwd-file", config.runs_as("auth"), None, by_userdb=True)
    for block in (*config.tree.all("passdb"), *config.tree.all("userdb")):
        if config.version.dialect == "2.3" and block.get("driver") in ("sql", "ldap"):
            place = block.get("args")
            role = f"{block.get('driver').upper()} settings"
            yield _Wanted(place, role, "root", _secrets(scene, place, ext=True).get(place))
    secrets = _secrets(scene, config.file)
    for path in _names(scene):
        yield _Wanted(path, "configuration", "root", secrets.get(path))


def _passwd_files(scene: Scene, source: FileSource) -> Iterator[str]:
    """The file; of a path with variables the user's, or without a user all that are there.

    /etc/passwd is for everyone to read.  Where no file has such a path, the path itself is reported missing.
    """
    path, version = source.path, scene.config.version
    if not path.startswith("/") or path == "/etc/passwd" or misread(path, version.dialect):
        return
    if "%" not in path:
        yield path
        return
    try:
        every = files_of(path, scene.dovecot.path)
    except CannotObserve:
        yield path
        return
    if scene.names is None:
        yield from every[:_MOST_FILES]
        return
    known = values(
        scene.names.looked_up, original=scene.names.given, service=scene.service, dialect=version.dialect
    )
    with suppress(CannotObserve):
        own = expand(path, known, version.dialect, lambda text: text.partition("/")[0], version)
        if own in every:  # one that is not there is told where it is looked up
            yield own


def _as_dovecot_sees(dovecot: Installation, path: Path) -> str:
    return str(path).removeprefix(f"/proc/{dovecot.pid}/root") if dovecot.pid else str(path)


def _names(scene: Scene) -> tuple[str, ...]:
    """The configuration's files."""
    names: list[str] = []
    with suppress(CannotObserve):
        conffiles.read(Path(scene.config.file), scene.dovecot.path, names)
    return tuple(dict.fromkeys(names))


def _secrets(scene: Scene, file: str, *, ext: bool = False) -> dict[str, tuple[str, ...]]:
    """The settings with a secret, by file, in this one and all that it includes."""
    found: dict[str, list[str]] = {}
    try:
        tree = conffiles.read(Path(file), scene.dovecot.path, ext=ext)
    except CannotObserve:
        return {}
    for one in (setting for block in tree.walk() for setting in block.settings):
        if one.value.startswith("<") or not _VARIABLE.sub("", one.value).strip():
            continue  # in another file, or what a variable brings: %{env:...}, %{ldap:userPassword}
        hidden = one.name in _WITH_SECRETS and "password=" in one.value
        if hidden or (one.value and _SECRETS.search(one.name)):
            found.setdefault(one.file, []).append(f"{one.place} {one.name}")
    return {name: tuple(places) for name, places in found.items()}


def _look_at(scene: Scene, path: str, role: str, reader: str, *, secret: bool) -> AuthFile:
    dovecot = scene.dovecot
    try:
        state = dovecot.state(dovecot.path(path))
    except FileNotFoundError:
        return AuthFile(path, role, reader, missing=True, open_to_all=False)
    except OSError as why:
        raise unseen(path, why, "cannot be looked at") from None
    if not stat.S_ISREG(state.st_mode) and role == "passwd-file":
        return AuthFile(path, role, reader, missing=True, open_to_all=False)
    open_to_all = secret and state.st_size > 0 and bool(state.st_mode & stat.S_IROTH)
    account = _reader(scene, reader)
    by, why_not, closed = _stopped(dovecot, path, account) if account else ("", "", False)
    other = _group_that_reads(dovecot, state) if closed else ""
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
        other_group=other,
        closed=closed,
    )


def _reader(scene: Scene, name: str) -> _Account | None:
    """The account that reads; None for root, whom nothing stops, and for one that there is not."""
    account = None if name == "root" else _account(scene.dovecot, name)
    return account and replace(account, groups=account.groups | _more_groups(scene))


def kept_from(scene: Scene, path: str, name: str) -> tuple[str, str]:
    """What on the way keeps a user from reading a file, and its mode; "" where nothing does."""
    account = _reader(scene, name)
    return _stopped(scene.dovecot, path, account)[:2] if account else ("", "")


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
        state = scene.dovecot.state(scene.dovecot.path(path))
        inside = scene.dovecot.state(folder)
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
        state = scene.dovecot.state(scene.dovecot.path(path))
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
        users = dovecot.read("/etc/passwd")
        groups = dovecot.read("/etc/group")
    except OSError:
        return None
    rows = [row for row in (line.split(":") for line in groups.splitlines()) if len(row) > 3]
    for line in users.splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[0] == name:
            uid, gid = digits.number(fields[2]), digits.number(fields[3])
            if uid is None or gid is None:
                return None
            numbers = (digits.number(row[2]) for row in rows if name in row[3].split(","))
            more = {one for one in numbers if one is not None}
            group = _group_name(dovecot, fields[3]) if _groups_are_ours(dovecot) else fields[3]
            return _Account(uid, frozenset({gid, *more}), group)
    return None


def _groups_are_ours(dovecot: Installation) -> bool:
    """Whether a group's name is the same number here: a command is typed on the host, too."""
    try:
        return dovecot.path("/etc/group").samefile("/etc/group")
    except OSError:
        return False


def _group_name(dovecot: Installation, number: str) -> str:
    """The name that this Dovecot's system has for it; the number where it has none."""
    if not dovecot.pid:
        try:
            return grp.getgrgid(int(number)).gr_name
        except KeyError:
            return number
    try:
        listed = dovecot.read("/etc/group")
    except OSError:
        return number
    rows = (line.split(":") for line in listed.splitlines())
    return next((row[0] for row in rows if len(row) > 2 and row[2] == number), number)


def _more_groups(scene: Scene) -> frozenset[int]:
    """The groups that service auth is given beside its user's own: group and extra_groups."""
    blocks = [block for block in scene.config.tree.all("service") if block.name == "auth"]
    names = {word for block in blocks for word in words(block, "extra_groups") if word}
    names |= {block.get("group") for block in blocks if block.get("group")}
    try:
        listed = scene.dovecot.read("/etc/group")
    except OSError:
        return frozenset()
    rows = (line.split(":") for line in listed.splitlines())
    found = (digits.number(row[2]) for row in rows if len(row) > 2 and {row[0], row[2]} & names)
    return frozenset(one for one in found if one is not None)


def _stopped(dovecot: Installation, path: str, account: _Account) -> tuple[str, str, bool]:
    """The first thing on the way that this user may not enter or read, its mode, and whether it is the file.

    "" where it may.  What has an access list is taken as free: the mode alone does not say.
    """
    file = dovecot.path(path)
    for place in (*_folders(dovecot, path), file):
        try:
            state = dovecot.state(place)
            listed = "system.posix_acl_access" in os.listxattr(place)
        except OSError:
            continue
        if not listed and account.uid and not _allows(state, account):
            why_not = f"mode {stat.S_IMODE(state.st_mode):04o}, of {_owner(state)}"
            return _as_dovecot_sees(dovecot, place), why_not, place == file
    return "", "", False


def _group_that_reads(dovecot: Installation, state: os.stat_result) -> str:
    """The group that reads a file, where it is not root's: another program's, perhaps."""
    if not state.st_gid or not state.st_mode & stat.S_IRGRP:
        return ""
    return _group_name(dovecot, str(state.st_gid))


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
