"""Which lines of this configuration another version refuses."""

from functools import cache
from pathlib import Path

from mailauth.dovecot import conf
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.version import Version
from mailauth.evidence import Foreseen


def observe_foreseen(dovecot: Installation, config: AuthConfig, version: Version) -> Foreseen:
    """The files are read with the table of renamed settings.  Raises CannotObserve."""

    @cache
    def lines(file: str) -> tuple[str, ...]:
        try:
            return tuple(dovecot.path(file).read_text("utf-8", "replace").split("\n"))
        except OSError:
            return ()

    def line_of(file: str, number: int) -> str:
        return lines(file)[number - 1].strip() if 0 < number <= len(lines(file)) else ""

    tree = conf.read(Path(config.file), dovecot.path)
    found = misfits(tree, version, line_of) if version.dialect != config.version.dialect else ()
    return Foreseen(f"{config.file} and what it includes", version, found)
