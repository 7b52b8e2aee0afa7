"""The programs that judge what is made for them: Prometheus' promtool, Icinga, Nagios, systemd, sudo.

bin/test unpacks the packages of those that would start a service into the cache, and does not install them.
"""

import shutil
from pathlib import Path

from mailauth.lab import builds
from tests.conftest import missing

UNPACKED = builds.cache() / "monitoring"
_PLACES = ("usr/lib/*/icinga2/sbin", "usr/bin", "usr/sbin")  # Icinga's /usr/sbin/icinga2 is a script


def tool(name: str) -> str:
    """The full path of a program.  Without it the test is skipped, or fails where nothing may be missing."""
    for place in _PLACES:
        for found in sorted(UNPACKED.glob(f"{place}/{name}")):
            return str(found)
    found_here = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found_here is None:
        missing(f"{name} is not here; bin/test unpacks it into {UNPACKED}")
    return str(found_here)


def libraries() -> str:
    """LD_LIBRARY_PATH for an unpacked program."""
    patterns = ("usr/lib/*-linux-gnu*", "usr/lib/*/icinga2", "usr/libexec/sudo")
    folders = [folder for pattern in patterns for folder in UNPACKED.glob(pattern)]
    return ":".join(map(str, folders))


def shared(name: str) -> Path:
    """A folder below /usr/share of what was unpacked."""
    return UNPACKED / "usr" / "share" / name
