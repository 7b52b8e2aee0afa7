"""Who reads a passdb's stored strings: which version, with which default scheme."""

from mailauth.dovecot.authconfig import AuthConfig, Passdb, SqlSource
from mailauth.hashes.damaged import Reader


def reader_of(config: AuthConfig, passdb: Passdb, *, noscheme: bool = False, user: str = "") -> Reader:
    """Who reads a passdb's strings."""
    by_pam = passdb.driver == "pam"  # pam_unix verifies, by crypt(3), and asks nothing of Dovecot
    return Reader(
        config.version.numbers,
        "CRYPT" if by_pam else passdb.default_scheme,
        by_pam or config.allow_weak,
        noscheme,
        user,
        isinstance(passdb.source, SqlSource) or passdb.driver == "ldap",
    )
