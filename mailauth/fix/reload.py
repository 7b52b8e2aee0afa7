"""Reload Dovecot, and wait until a new auth process answers."""

import time
from pathlib import Path

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve, Refused

_SECONDS = 15.0
_OLD_SECONDS = 5.0  # an old auth process may stay for its open sessions


def reload(dovecot: Installation, config: AuthConfig) -> None:
    """Raises Refused when Dovecot does not reload, or when no auth process answers afterwards."""
    old = auth_pid(dovecot, config)
    try:
        ran = dovecot.run("doveadm", "reload")
    except CannotObserve as why:
        raise Refused(str(why)) from None
    if ran.status:
        said = next((line for line in ran.err.splitlines() if line.strip()), "it does not say why.")
        raise Refused(f"doveadm reload failed: {said.strip()}")
    began = time.monotonic()
    while (new := auth_pid(dovecot, config)) is None or new == old or _lingers(old, began):
        if time.monotonic() - began > _SECONDS:
            raise Refused(f"no new auth process answered within {_SECONDS:.0f} s of the reload.")
        time.sleep(0.005)


def runs(dovecot: Installation, config: AuthConfig) -> bool:
    """Whether there is a Dovecot to reload."""
    if dovecot.pid:
        return True
    try:
        pid = Path(f"{config.base_dir}/master.pid").read_text().strip()
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
    return int(told[0].split("\t")[1]) if told else None


def _lingers(pid: int | None, began: float) -> bool:
    """The old process is still there and may still be given a login."""
    if pid is None or time.monotonic() - began > _OLD_SECONDS:
        return False
    try:
        return (Path("/proc") / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False
