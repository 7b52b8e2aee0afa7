"""Reload Dovecot, and wait until a new auth process answers."""

import time
from contextlib import suppress
from pathlib import Path

import psutil

from mailauth import digits
from mailauth.dovecot import inroot
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, Refused
from mailauth.probes.process import master_process, running

_SECONDS = 15.0
_OLD_SECONDS = 5.0  # an old auth process may stay for its open sessions


def reload(dovecot: Installation, config: AuthConfig) -> None:
    """Raises Refused when Dovecot does not reload, or when no auth process answers afterwards."""
    old = _auths(dovecot, config)
    before = {auth_pid(dovecot, config), *(one.pid for one in old if not dovecot.pid)}
    try:
        ran = dovecot.run("doveadm", "reload")
    except CannotObserve as why:
        raise Refused(str(why)) from None
    if ran.status:
        said = next((line for line in ran.err.splitlines() if line.strip()), "it does not say why.")
        raise Refused(f"doveadm reload failed: {said.strip()}")
    began = time.monotonic()
    while (new := auth_pid(dovecot, config)) is None or new in before or _lingers(old, began):
        if time.monotonic() - began > _SECONDS:
            raise Refused(f"no new auth process answered within {_SECONDS:.0f} s of the reload.")
        time.sleep(0.005)


def runs(dovecot: Installation, config: AuthConfig) -> bool:
    """Whether there is a Dovecot to reload."""
    if dovecot.pid:
        return True
    try:
        pid = inroot.content(Path(f"{config.base_dir}/master.pid"), inroot.NUMBER).decode().strip()
    except OSError:
        return False
    return (Path("/proc") / pid).is_dir()


def auth_pid(dovecot: Installation, config: AuthConfig) -> int | None:
    """The auth process that answers now, as it says itself; None when none does."""
    try:
        with AuthSocket(dovecot.path(f"{config.base_dir}/auth-client"), timeout=2.0) as auth:
            told = [line for line in auth.greeting if line.startswith("SPID\t")]
    except CannotObserve:
        return None
    return digits.number(told[0].split("\t")[1]) if told else None


def _auths(dovecot: Installation, config: AuthConfig) -> list[psutil.Process]:
    """The auth processes as our /proc has them: one that verifies a slow hash does not answer."""
    with suppress(CannotObserve, psutil.Error):
        return [psutil.Process(pid) for pid in running(master_process(dovecot, config), "auth")]
    return []


def _lingers(old: list[psutil.Process], began: float) -> bool:
    """An old process is still there and may still be given a login."""
    return time.monotonic() - began <= _OLD_SECONDS and any(map(_is_there, old))


def _is_there(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
