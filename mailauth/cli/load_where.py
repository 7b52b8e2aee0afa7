"""Which server ``mailauth load`` loads, and with whose passwords: a lab's, or one that is there."""

import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from mailauth import handed
from mailauth.cli.shared.files import awaited
from mailauth.cli.shared.given import without
from mailauth.cli.shared.secrets import read_password
from mailauth.clients.listening import us
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation, at_pid, chosen
from mailauth.dovecot.entering import users_of
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes import Judgement, Password, making
from mailauth.load.defences import defences
from mailauth.load.notes import notes
from mailauth.load.owner import check_owner, master_of, refuse_strangers
from mailauth.load.plan import AuthTarget, ImapTarget, LoadPlan, Target, on_this_machine
from mailauth.load.result import Defence
from mailauth.load.run import About
from mailauth.load.users import Account, read_accounts
from mailauth.load.watch import Blind, Watch, Watcher
from mailauth.oserrors import unseen
from mailauth.probes.log_tail import stamps_of, syslog_file
from mailauth.records import dataclass

_OTHER_SOCKETS = frozenset({"auth-login", "login", "token-login", "tokenlogin", "auth-userdb", "auth-master"})
_PORTS = {False: 143, True: 993}
_LAB_OPTIONS = ("dovecot", "store", "scheme", "profile", "lab_users", "settings")
_OTHERS_OPTIONS = ("config", "pid", "socket", "host", "users", "user", "tls", "owned", "penalties")
_LOCKED = (
    "Wrong passwords are sent for these users: a directory's password policy, PAM's faillock or a policy"
    " server may lock their accounts."
)
# A lab has neither otherwise; the settings that are given come after these.
_AS_A_SERVER = (
    "auth_failure_delay = 2 secs\n"
    "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0600\n  }\n}\n"
)
_PASSWORDS = ("ask_password", "password_fd", "password_stdin")


@dataclass(frozen=True, slots=True)
class Where:
    """All that depends on the server."""

    target: Target
    about: About
    watch: Watch
    accounts: tuple[Account, ...]
    defences: tuple[Defence, ...] = ()


@contextmanager
def where(given: dict[str, Any], plan: LoadPlan) -> Iterator[Where]:
    """Raises UsageError, CannotObserve and Refused, each one sentence."""
    if given["lab"]:
        with _lab(given, plan) as found:
            yield found
    else:
        yield _there(given, plan)


def _there(given: dict[str, Any], plan: LoadPlan) -> Where:
    without("load without --lab", *_LAB_OPTIONS)
    if given["users"]:
        without("load --users", *_PASSWORDS)
    target = _target(given)
    if given["sources"] and not on_this_machine(target):
        raise UsageError("--sources are addresses of this machine: they reach no other one.")
    refuse_strangers(target)
    master = master_of(target)
    if check_owner(target, master, plan, said=given["owned"]):
        click.echo("This is not a lab's Dovecot: logins of users wait behind the load.", err=True)
    if plan.attack:
        click.echo(_LOCKED, err=True)
    accounts = _accounts(given)
    about, watch, known = _seen(given, plan, target, master)
    return Where(target, about, watch, accounts, known)


def _target(given: dict[str, Any]) -> Target:
    if given["by"] == "imap":
        if given["socket"]:
            raise UsageError("--socket goes with --by auth; with --by imap give --host HOST:PORT.")
        host, port = _host(given["host"] or "127.0.0.1", given["tls"])
        there = ImapTarget(host, port, given["tls"], _ours(given))
        if not there.tls and not on_this_machine(there):
            raise UsageError(f"--host {host}: passwords would cross the network in the clear; add --tls.")
        return there
    if given["host"] or given["tls"]:
        raise UsageError("--host and --tls go with --by imap; the auth socket is a file: --socket PATH.")
    path = given["socket"]
    if path is None:
        dovecot = chosen(given["config"], given["pid"])
        path = dovecot.path(f"{read_config(dovecot).base_dir}/auth-client")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise CannotObserve(
            f"{path}: there is no such socket; is Dovecot running? Name another by --socket."
        ) from None
    except OSError as why:
        raise unseen(str(path), why, "cannot be looked at") from None
    if not stat.S_ISSOCK(mode):
        raise UsageError(
            f"{path}: is not a socket; give Dovecot's auth-client socket, often in /run/dovecot."
        )
    if path.name in _OTHER_SOCKETS:
        raise UsageError(
            f"{path}: lets each login wait for a mail process, or does not log in; give auth-client."
        )
    return AuthTarget(path, _ours(given))


def _ours(given: dict[str, Any]) -> frozenset[int]:
    """Whose processes may take passwords."""
    pid = given["pid"]
    return us() | users_of(at_pid(pid, given["config"]).pid if pid else None)


def _host(text: str, tls: bool) -> tuple[str, int]:
    found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?|([^:\s\[\]]+)(?::([0-9]{1,5}))?", text)
    if not found or not 0 < int(found[2] or found[4] or 1) < 65536:
        raise UsageError(f"--host {text}: write HOST or HOST:PORT, an IPv6 address in [ ].")
    return found[1] or found[3], int(found[2] or found[4] or _PORTS[tls])


def _accounts(given: dict[str, Any]) -> tuple[Account, ...]:
    if bool(given["users"]) == bool(given["user"]):
        raise UsageError("Who logs in? Give --users FILE (CSV: user,password), or --user NAME and -p.")
    if given["user"]:
        password = read_password(
            ask=given["ask_password"], descriptor=given["password_fd"], stdin=given["password_stdin"]
        )
        if password is None:
            raise UsageError("--user wants a password: -p, --password-fd or --password-stdin.")
        return (Account(given["user"], password),)
    name = given["users"]
    if name == "-":
        awaited(sys.stdin.fileno(), "lines of user,password")
        return read_accounts(sys.stdin.buffer, "standard input")
    try:
        with handed.opened(name) as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                click.echo(f"{name}: others may read these passwords; run: chmod 600 {name}", err=True)
            return read_accounts(file, name)
    except OSError as why:
        raise UsageError(f"{name}: cannot be read ({why.strerror}).") from None


def _seen(
    given: dict[str, Any], plan: LoadPlan, target: Target, master: int | None
) -> tuple[About, Watch, tuple[Defence, ...]]:
    """What is known of the Dovecot behind the target: not much, when it is on another machine."""
    way = "auth socket" if isinstance(target, AuthTarget) else "IMAP"
    name = str(target.path) if isinstance(target, AuthTarget) else f"{target.host}:{target.port}"
    if master is None:
        return (
            About(way, name, notes=("Dovecot's own processes, settings and log are not seen.",)),
            Blind(),
            (),
        )
    try:
        dovecot = chosen(given["config"], given["pid"]) if given["config"] else at_pid(master, None)
        config = read_config(dovecot)
    except (CannotObserve, UsageError) as why:
        about = About(way, name, notes=(f"Dovecot's settings were not read: {why}",))
        return about, Watcher(master, None), ()
    about = About(way, name, str(config.version), notes=notes(config, plan, target))
    watch = Watcher(master, _warnings(dovecot, config), stamps_of(config.tree))
    return about, watch, defences(dovecot, config) if plan.attack else ()


def _warnings(dovecot: Installation, config: AuthConfig) -> Path | None:
    """The file that warnings go to: Dovecot's own, or the one that syslog writes."""
    path = config.tree.get("log_path") or "syslog"
    if path == "syslog":
        path = syslog_file(dovecot)
    return dovecot.path(path) if path.startswith("/") and not path.startswith("/dev/") else None


@contextmanager
def _lab(given: dict[str, Any], plan: LoadPlan) -> Iterator[Where]:
    from mailauth.lab import Lab, builds  # noqa: PLC0415 - only with --lab

    without("load --lab, which has its own server and users,", *_OTHERS_OPTIONS, *_PASSWORDS)
    builds.ensure(given["dovecot"], lambda line: click.echo(line, err=True))
    settings = handed.text(given["settings"], "surrogateescape") if given["settings"] else ""
    if plan.attack:
        settings = _AS_A_SERVER + settings
    imap = given["by"] == "imap"
    passwords = {f"user{n}": Password.of(secrets.token_urlsafe(9)) for n in range(1, given["lab_users"] + 1)}
    stored = _stored(given, passwords)
    with ExitStack() as stack:
        protocols = ("imap",) if imap else ()
        try:
            one = stack.enter_context(Lab(given["dovecot"], given["store"], stored, settings, protocols))
        except UsageError as why:  # Dovecot names the lab's copy, which is gone
            copy = r"\S+/mailauth-lab-\w+/(settings|dovecot)\.conf"
            raise UsageError(re.sub(copy, lambda _: str(given["settings"]), str(why))) from why
        target = (
            ImapTarget("127.0.0.1", one.ports["imap"], tls=False) if imap else AuthTarget(one.auth_socket)
        )
        parameters = f" ({given['profile']})" if given["profile"] else ""
        lab = f"{one.store.driver}, {given['scheme'].upper()}{parameters}"
        about = About(
            "IMAP" if imap else "auth socket",
            f"a lab with Dovecot {one.version}, {lab}",
            str(one.version),
            lab,
            ("a lab has auth_failure_delay = 0 and no penalties.",) if given["wrong"] else (),
        )
        accounts = tuple(Account(user, password) for user, password in passwords.items())
        known: tuple[Defence, ...] = ()
        if plan.attack:
            dovecot = at_pid(one.master_pid, None)
            known = defences(dovecot, read_config(dovecot))
        yield Where(target, about, Watcher(one.master_pid, one.folder / "log"), accounts, known)


def _stored(given: dict[str, Any], passwords: dict[str, Password]) -> dict[str, str | None]:
    scheme = given["scheme"]
    profile = tuple(making.profile(given["profile"]).items()) if given["profile"] else ()
    order = making.Order(scheme, profile, allow_weak=True, limit=None)
    if refused := making.refused_before(order):
        raise UsageError(f"--scheme {scheme}: {refused.reason}.")
    click.echo(f"hashing {len(passwords)} passwords and starting a lab ...", err=True)
    stored: dict[str, str | None] = {}
    for user, password in passwords.items():
        made = making.make(order, password, user)
        if isinstance(made, Judgement):
            raise UsageError(f"--scheme {scheme}: {made.reason}.")
        stored[user] = made
    return stored
