"""Which lines of this configuration another version refuses."""

from pathlib import Path

from mailauth.dovecot import conf
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.version import Version
from mailauth.evidence import Foreseen


def observe_foreseen(dovecot: Installation, config: AuthConfig, version: Version) -> Foreseen:
    """The files are read with the table of renamed settings.  Raises CannotObserve."""
    tree = conf.read(Path(config.file), dovecot.path)
    other = version.dialect != config.version.dialect
    found = misfits(tree, version, conf.Lines(dovecot.path)) if other else ()
    return Foreseen(f"{config.file} and what it includes", version, found)
