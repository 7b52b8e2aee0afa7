"""The same stores under another version of Dovecot: what its defaults would be.  Pure but for two files.

Source: default_pass_scheme of src/auth/db-sql.c and the scheme= of passdb-passwd-file.c, 2.3.19.1;
passdb_default_password_scheme of src/auth/auth-settings.c: PLAIN in 2.4.0 to 2.4.2, CRYPT since 2.4.3.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mailauth.dovecot import conf
from mailauth.dovecot.authconfig import AuthConfig, Passdb, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve


def as_if(config: AuthConfig, version: Version, dovecot: Installation) -> AuthConfig:
    """The configuration with what ``version`` would have where nothing is set.

    2.3 knows no weak schemes, so that 2.4 refuses them unless 2.4's own setting is there already.
    """
    passdbs = tuple(
        passdb
        if set_by_hand(config, passdb, dovecot)
        else replace(passdb, default_scheme=usual_scheme(version, passdb))
        for passdb in config.passdbs
    )
    both_24 = config.version.dialect == version.dialect == "2.4"
    allow_weak = version.dialect == "2.3" or (both_24 and config.allow_weak)
    return replace(config, version=version, passdbs=passdbs, allow_weak=allow_weak)


def usual_scheme(version: Version, passdb: Passdb) -> str:
    """The default scheme where none is set."""
    if version.dialect == "2.3":
        return "MD5" if isinstance(passdb.source, SqlSource) else "CRYPT"
    return "PLAIN" if version < Version(2, 4, 3) else "CRYPT"


def set_by_hand(config: AuthConfig, passdb: Passdb, dovecot: Installation) -> bool:
    """Whether the default scheme stands in the configuration, and so goes along in an upgrade."""
    if config.version.dialect == "2.4" or passdb.default_scheme != usual_scheme(config.version, passdb):
        return passdb.default_scheme != usual_scheme(config.version, passdb)
    args = config.tree.all("passdb")[passdb.number - 1].get("args")
    if not isinstance(passdb.source, SqlSource):
        return "scheme=" in args.partition("/")[0]
    with suppress(CannotObserve):
        return conf.read(Path(args), dovecot.path, ext=True).find("default_pass_scheme") is not None
    return False
