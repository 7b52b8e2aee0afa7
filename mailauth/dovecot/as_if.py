"""The same stores under another version of Dovecot: what its defaults would be.  Pure."""

from dataclasses import replace

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.defaults import default_scheme
from mailauth.dovecot.version import Version


def as_if(config: AuthConfig, version: Version) -> AuthConfig:
    """The configuration with what ``version`` would have where nothing is set.

    Within 2.4 ``dovecot_config_version`` stays what it is, and an older Dovecot would know it up to its own.
    2.3 knows no weak schemes, so that 2.4 refuses them unless 2.4's own setting is there already.
    """
    asked = min(config.config_version or version, version)
    passdbs = tuple(
        passdb
        if passdb.scheme_set
        else replace(passdb, default_scheme=default_scheme(passdb.driver, version, asked))
        for passdb in config.passdbs
    )
    both_24 = config.version.dialect == version.dialect == "2.4"
    allow_weak = version.dialect == "2.3" or (both_24 and config.allow_weak)
    return replace(config, version=version, config_version=asked, passdbs=passdbs, allow_weak=allow_weak)
