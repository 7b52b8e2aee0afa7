"""What a Dovecot has against guessed passwords, as its configuration says."""

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.sizes import show_size
from mailauth.errors import CannotObserve
from mailauth.load.result import Defence
from mailauth.probes.host import workers

_DELAY = "2 secs"  # auth_failure_delay's default: 2.3.19.1 and 2.4.1 src/auth/auth-settings.c


def defences(dovecot: Installation, config: AuthConfig) -> tuple[Defence, ...]:
    """Of a running Dovecot.  The URL of a policy server may hold a password, and is not shown."""
    tree = config.tree
    cache = show_size(config.cache_size) if config.cache_size else "0"
    if config.cache_size:
        cache += ", verified by " + ("auth-workers" if config.cache_verify_with_worker else "auth")
    verify = sorted({one.verified_by for one in config.passdbs})
    found = (
        ("auth_failure_delay", tree.get("auth_failure_delay", _DELAY)),
        ("penalty", _penalty(dovecot, config)),
        ("auth_cache_size", cache),
        ("auth_policy_server_url", "set" if tree.get("auth_policy_server_url") else "not set"),
        ("verified by", " and ".join(verify) or "nobody"),
        ("auth-workers at most", str(workers(config))),
    )
    return tuple(Defence(name, value) for name, value in found)


def _penalty(dovecot: Installation, config: AuthConfig) -> str:
    """Auth asks anvil at a socket, which is not there where its mode is 0."""
    try:
        return "on" if dovecot.has(f"{config.base_dir}/anvil-auth-penalty") else "off"
    except CannotObserve:
        return "not seen"
