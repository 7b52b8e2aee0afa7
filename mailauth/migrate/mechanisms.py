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
        f"auth_mechanisms offers {names}, which {rows} can use today and could not use with {scheme}: those"
        f" clients would be refused from then on. Take {names} out of auth_mechanisms, once no client uses"
        f" it (the log of logins says method=...), or say {FLAG}."
    )


def question(scheme: str) -> str:
    """What is to be asked where no configuration was read; "" where any mechanism is served."""
    unserved = lost(tuple(name for name in TAKES if not name.endswith("-PLUS")), "PLAIN", scheme)
    if not unserved:
        return ""
    return (
        f"No configuration was read: does auth_mechanisms offer {', '.join(unserved)}? {scheme} serves none"
        " of them, and clients that use one today would be refused from then on."
    )
