"""Who reads a passdb's stored strings: which version, with which default scheme."""

from dataclasses import replace

from mailauth.dovecot.authconfig import AuthConfig, Passdb, SqlSource
from mailauth.hashes.damaged import Reader


def reader_of(config: AuthConfig, passdb: Passdb, *, noscheme: bool = False, user: str = "") -> Reader:
    """Who reads a passdb's strings."""
    by_pam = passdb.driver == "pam"  # and nothing of it is asked of Dovecot
    return Reader(
        config.version.numbers,
        verifying(passdb).default_scheme,
        by_pam or config.allow_weak,
        noscheme,
        user,
        isinstance(passdb.source, SqlSource) or passdb.driver == "ldap",
    )


def verifying(passdb: Passdb) -> Passdb:
    """The passdb as one of crypt(3)'s strings: pam_unix verifies them; Dovecot's default is for its cache."""
    return replace(passdb, default_scheme="CRYPT") if passdb.driver == "pam" else passdb
