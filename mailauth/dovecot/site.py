"""Ask doveconf what Dovecot is set to, and read the answer of either dialect into an AuthConfig."""

import errno
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mailauth.dovecot import conf, conffiles, groups, v23, v24
from mailauth.dovecot.authconfig import SERVICES, AuthConfig, Passdb, Service, ServiceName
from mailauth.dovecot.doveadm import Installation, Ran, no_file
from mailauth.dovecot.refusal import Refusal, read_refusal
from mailauth.dovecot.releases import DOVECONF_IS_LENIENT
from mailauth.dovecot.sizes import UNSET, parse_limit, parse_size
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, UsageError
from mailauth.oserrors import unseen

_DEFAULT_FILE = "/etc/dovecot/dovecot.conf"
# Dovecot's own words: "open(/etc/dovecot/dovecot.conf) failed: Permission denied", "Couldn't open include
# file /etc/dovecot/auth.conf: Permission denied"
_DENIED = re.compile(r"open\(([^)]+)\) failed: Permission|open include file (.+?): Permission")


def read_config(dovecot: Installation, service: str = "") -> AuthConfig:
    """The configuration that decides a login, as doveconf reports it; ``service`` as below.

    Raises UsageError with Dovecot's own words when it does not accept the file, and CannotObserve when
    Dovecot is not installed, the file cannot be read, or another Dovecot runs with it.
    """
    config = read_or_refusal(dovecot, service)
    if isinstance(config, Refusal):
        from mailauth.dovecot.not_accepted import sentence  # noqa: PLC0415 - tables that nobody else needs here

        raise UsageError(sentence(dovecot, config))
    return config


def read_or_refusal(dovecot: Installation, service: str = "") -> AuthConfig | Refusal:
    """As ``read_config``; a configuration that Dovecot does not accept is an answer.

    ``service``: with what ``protocol SERVICE { ... }`` has for auth, which it reads again for each service;
    for "" with the passdbs of all of them, since somebody's password is stored there.
    """
    # -P because the store's password is among what it would hide; none of it leaves this process.
    ran = dovecot.run("doveconf", "-a", "-P")
    if ran.status:
        return _not_printed(dovecot, ran)
    _all_seen(dovecot)
    first, _, _ = ran.out.partition("\n")  # "# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf"
    version = Version.known(first)
    file = dovecot.config or first.partition("): ")[2].strip() or _DEFAULT_FILE
    if said := refused_by_master(dovecot, version):
        return read_refusal(version, file, said)
    files = _files(file, dovecot)
    whole = tree = _printed(ran, files, dovecot)
    if not service:
        tree = _with_all_passdbs(tree)
    elif any(map(_decides, tree.all("protocol"))):
        ran = dovecot.run("doveconf", "-a", "-P", "-f", f"protocol={service}")
        tree = _for_service(tree, _printed(ran, files, dovecot), version)
    dialect24 = version.dialect == "2.4"
    default_limit = parse_limit(tree.get("default_vsz_limit", "256M"))
    places = _places(files)
    blocks = _passdbs_in(files, service)
    sources = v24.Sources(tree, files, dovecot, conffiles.Lines(dovecot.path))
    return AuthConfig(
        version=version,
        file=file,
        base_dir=tree.get("base_dir", "/var/run/dovecot"),
        passdbs=_placed(
            v24.read_passdbs(sources, version, frozenset(one.name for one in files.settings)),
            {block.name: block for block in blocks},
        )
        if dialect24
        else _placed(v23.read_passdbs(tree, dovecot, version), dict(enumerate(blocks, 1))),
        services={name: _service(tree, name, default_limit, places) for name in SERVICES},
        cache_size=parse_size(tree.get("auth_cache_size", "0") or "0"),
        cache_verify_with_worker=tree.get("auth_cache_verify_password_with_worker") == "yes",
        # 2.3 takes every scheme; only 2.4 has the setting
        allow_weak=not dialect24 or tree.get("auth_allow_weak_schemes") == "yes",
        username_chars=tree.get("auth_username_chars"),
        username_translation=tree.get("auth_username_translation"),
        username_format=tree.get("auth_username_format"),
        default_realm=tree.get("auth_default_domain" if dialect24 else "auth_default_realm"),
        master_separator=tree.get("auth_master_user_separator")[:1],
        tree=tree,
        whole=whole,
        userdbs=v24.read_userdbs(sources) if dialect24 else v23.read_userdbs(tree, dovecot),
        protocols=tuple(name for name in conf.words(tree, "protocols") if name != "none"),
        mechanisms=tuple(name.upper() for name in conf.words(whole, "auth_mechanisms", ("plain",))),
        config_version=v24.config_version(tree, version) if dialect24 else None,
    )


def _not_printed(dovecot: Installation, ran: Ran) -> Refusal:
    """Why doveconf prints nothing.

    Raises CannotObserve for a file that we may not read, and UsageError for one that is not there.
    """
    file = dovecot.config or _DEFAULT_FILE
    # Its own words: "open(/etc/dovecot/dovecot.conf) failed: Permission denied"
    if "ermission denied" in ran.err and (os.geteuid() or "open(" in ran.err):
        place = _DENIED.search(ran.err)
        raise unseen(
            place[1] or place[2] if place else file, PermissionError(errno.EACCES, "Permission denied")
        )
    if not dovecot.path(file).is_file():
        raise UsageError(f"{file}: {no_file(dovecot.path(file))}; give Dovecot's main configuration file.")
    said = ran.err or f"doveconf ended with status {ran.status}"
    return read_refusal(Version.known(dovecot.run("dovecot", "--version").out), file, said)


_OF_A_LOGIN = ("auth_", "mail_", "first_valid_", "last_valid_", "namespace", "passdb", "userdb")
_OF_NONE = ("mail_plugins", "mail_max_userip_connections")


def _decides(block: conf.Block) -> bool:
    """Whether a protocol's block has what decides a login, or where its mail is."""
    names = {inner.kind for inner in block.blocks} | {setting.name for setting in block.settings}
    return any(name.startswith(_OF_A_LOGIN) and name not in _OF_NONE for name in names)


def _with_all_passdbs(tree: conf.Block) -> conf.Block:
    own = (passdb for protocol in tree.all("protocol") for passdb in protocol.all("passdb"))
    return replace(tree, blocks=(*tree.blocks, *own))


def _printed(ran: Ran, files: conf.Block, dovecot: Installation) -> conf.Block:
    """What doveconf printed, with what 2.4's groups come to."""
    return groups.resolved(
        conf.parse_printed(ran.out),
        frozenset(one.name for one in files.settings),
        lambda: conf.parse_printed(dovecot.run("doveconf", "-d", "-P").out),
    )


def _for_service(tree: conf.Block, found: conf.Block, version: Version) -> conf.Block:
    """What auth reads for one service: the protocol's own passdbs and userdbs before the others.

    2.3 prints them so; 2.4 asks in that order, too, prints them last, and prints no block of a protocol
    (measured on 2.4.1).
    """
    if version.dialect == "2.3":
        return found
    shared = {(block.kind, block.name) for block in tree.blocks if block.kind in ("passdb", "userdb")}
    ordered = sorted(found.blocks, key=lambda one: (one.kind, one.name) in shared)
    return replace(found, blocks=(*ordered, *tree.all("protocol")))


def _passdbs_in(files: conf.Block, service: str) -> tuple[conf.Block, ...]:
    """The blocks as they stand in the files, in the order of those that count: a protocol's own, too."""
    shared = files.all("passdb")
    found: list[conf.Block] = []
    for protocol in files.all("protocol"):
        but = protocol.name.startswith("!")
        if not service or (protocol.name.lstrip("! ") == service) != but:
            found += protocol.all("passdb")
    return (*found, *shared) if service else (*shared, *found)


def _placed(passdbs: tuple[Passdb, ...], written: Mapping[str | int, conf.Block]) -> tuple[Passdb, ...]:
    """The passdbs with the places of their settings; ``written``: the blocks, by name (2.4) or by number."""
    if len(passdbs) != len(written):
        return passdbs  # written in a place of its own (remote ... { passdb }), or twice
    found = []
    for passdb in passdbs:
        block = written.get(passdb.name) or written.get(passdb.number)
        if block:
            inner = [(one.kind, f"{one.file}:{one.line}") for one in block.blocks]
            settings = [(one.name, one.place) for one in block.settings]
            places = [(name.removeprefix("passdb_"), place) for name, place in (*inner, *settings)]
            found.append(replace(passdb, places=(("", f"{block.file}:{block.line}"), *places)))
        else:
            found.append(passdb)
    return tuple(found)


def refused_by_master(dovecot: Installation, version: Version) -> str:
    """What the master would say of a configuration that doveconf prints without a word; "" where nothing.

    ``doveconf -F`` is what the master itself runs.  It reads all files that the configuration names: who may
    not is not told.
    """
    if not DOVECONF_IS_LENIENT.holds(version):
        return ""
    ran = dovecot.run("doveconf", "-F")
    return ran.err if ran.status and "rror in configuration file" in ran.err else ""


def _all_seen(dovecot: Installation) -> None:
    """Raise CannotObserve for a part of the configuration that doveconf passed over, as it may not read it.

    Dovecot reads it, as root: what doveconf says is another configuration than Dovecot's.
    """
    if not os.geteuid():
        return
    hidden: list[str] = []
    with suppress(CannotObserve):
        conffiles.read(Path(dovecot.config or _DEFAULT_FILE), dovecot.path, hidden=hidden)
    if hidden:
        raise CannotObserve(
            f"{hidden[0]}: is included by Dovecot's configuration and cannot be read (Permission denied).",
            needs_root=True,
        )


def unread(refusal: Refusal) -> AuthConfig:
    """What is known of a configuration that Dovecot does not accept: its version and its file."""
    return AuthConfig(
        version=refusal.version,
        file=refusal.file,
        base_dir="",
        passdbs=(),
        services={},
        cache_size=0,
        cache_verify_with_worker=False,
        allow_weak=False,
        username_chars="",
        username_translation="",
        username_format="",
        default_realm="",
        master_separator="",
        tree=conf.parse(""),
    )


def _service(tree: conf.Block, name: ServiceName, default: int | None, places: dict[str, str]) -> Service:
    """The service's own limit; 2.3 prints 2^64-1 where none is set, 2.4 prints nothing."""
    own = ""
    for block in tree.all("service"):
        if block.name == name:
            own = block.get("vsz_limit", own).strip()
    if not own or own == f"{UNSET} B":
        return Service(name, default, own=False, place=places.get("", "default_vsz_limit"))
    return Service(name, parse_limit(own), own=True, place=places.get(name, f"service {name}"))


def _files(file: str, dovecot: Installation) -> conf.Block:
    """The configuration as it stands in the files; empty if unreadable."""
    try:
        return conffiles.read(Path(file), dovecot.path)
    except CannotObserve:
        return conf.parse("")


def _places(tree: conf.Block) -> dict[str, str]:
    """Where each vsz_limit is set: by service, and "" for default_vsz_limit."""
    found = {}
    if default := tree.find("default_vsz_limit"):
        found[""] = default.place
    for block in tree.walk():
        if block.kind == "service" and (setting := block.find("vsz_limit")):
            found[block.name] = setting.place
    return found
