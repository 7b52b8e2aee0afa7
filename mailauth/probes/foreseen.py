"""Which lines of this configuration another version refuses or misreads."""

import hashlib
from contextlib import suppress
from pathlib import Path

from mailauth.dovecot import conffiles, inroot
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.misfit import Misfit
from mailauth.dovecot.misfits import misfits
from mailauth.dovecot.version import Version
from mailauth.evidence import Foreseen

_UCF = (
    "/var/lib/ucf/hashfile"  # "MD5  FILE": what Debian's packages installed, and replace if it is untouched
)
_MOST = 1024 * 1024


def observe_foreseen(dovecot: Installation, config: AuthConfig, version: Version) -> Foreseen:
    """The files are read with the table of renamed settings.  Raises CannotObserve.

    What Debian's package installed and nobody touched is replaced by the upgrade: nothing is said of it.
    """
    if version.dialect == config.version.dialect:
        return Foreseen(f"{config.file} and what it includes", version, ())
    tree = conffiles.read(Path(config.file), dovecot.path)
    lines = conffiles.Lines(dovecot.path)
    found = misfits(tree, version, lines, lambda file: conffiles.read(Path(file), dovecot.path, ext=True))
    if version.dialect == "2.4":
        found = _with_version(found, config.file, version, lines)
    files = {one.file for one in found}
    own = files - _untouched(dovecot, files)
    return Foreseen(
        f"{config.file} and what it includes", version, tuple(one for one in found if one.file in own)
    )


def _with_version(
    found: tuple[Misfit, ...], file: str, version: Version, lines: conffiles.Lines
) -> tuple[Misfit, ...]:
    """2.4 wants to know first for which version the settings are written."""
    head = f"dovecot_config_version = {version}\ndovecot_storage_version = {version}\n"
    number = next((n for n, line in enumerate(lines.of(file), 1) if line.strip()[:1] not in ("", "#")), 0)
    there = next((one for one in found if (one.file, one.line) == (file, number) and one.old), None)
    old = lines(file, number)
    new = head + (old if there is None or there.new is None else there.new)
    means = "2.4 wants dovecot_config_version and dovecot_storage_version before all others"
    first = Misfit(file, number, "dovecot_config_version", means, old, new, missing=True)
    return (first, *(one for one in found if one is not there))


def _untouched(dovecot: Installation, files: set[str]) -> set[str]:
    """Those that are as Debian's package installed them."""
    sums: dict[str, str] = {}
    with suppress(OSError, ValueError):
        for line in dovecot.read(_UCF).splitlines():
            digest, file = line.split(None, 1)
            sums[file] = digest
    found = {file for file in files if file.startswith("/usr/")}
    for file in files & sums.keys():
        with suppress(OSError):
            with inroot.opened(dovecot.path(file)) as one:
                content = one.read(_MOST)
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == sums[file]:
                found.add(file)
    return found
