"""Mechanisms that clients may use today, and that the new hashes would not serve."""

from mailauth.dovecot.authconfig import AuthConfig, Passdb
from mailauth.hashes.serving import TAKES, lost

FLAG = "--accept-mechanism-loss"


def offered(config: AuthConfig, passdb: Passdb) -> tuple[str, ...]:
    """The mechanisms of auth_mechanisms that may ask this passdb."""
    own = passdb.mechanisms.upper().split()
    return tuple(name for name in config.mechanisms if not own or name in own)


def refusal(mechanisms: tuple[str, ...], scheme: str, rows: str) -> str:
    """Why nothing is begun."""
    names = ", ".join(mechanisms)
    return (
        f"auth_mechanisms offers {names}, which {rows} can use today. {names} cannot work with {scheme}:"
        " clients that use it would be refused. Remove it from auth_mechanisms once no client uses it"
        f" (Dovecot logs method=... for each login), or add {FLAG}."
    )


def question(scheme: str) -> str:
    """What is to be asked where no configuration was read; "" where any mechanism is served."""
    unserved = lost(tuple(name for name in TAKES if not name.endswith("-PLUS")), "PLAIN", scheme)
    if not unserved:
        return ""
    return (
        f"No configuration was read: does auth_mechanisms offer {', '.join(unserved)}? {scheme} serves none"
        " of them: clients that use one of them today would be refused."
    )
