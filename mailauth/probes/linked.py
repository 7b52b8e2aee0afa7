"""Which libsodium and libcrypt the Dovecot installed here is linked with."""

import re
import subprocess
from pathlib import Path

from mailauth.hashes.hash import Library

_AUTH = ("/usr/lib/dovecot/auth", "/usr/libexec/dovecot/auth", "/usr/local/libexec/dovecot/auth")


def linked_library(library: Library) -> str | None:
    """The file that Dovecot's auth loads; None when there is no Dovecot here, or ldd(1) does not say.

    ldd runs the dynamic loader of a program that root installed, and nothing else of it.
    """
    auth = next((path for path in _AUTH if Path(path).exists()), None)
    if auth is None:
        return None
    try:
        done = subprocess.run(
            ["ldd", auth],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rf"=> (/\S*/{library}\.so\S*)", done.stdout)
    return found[1] if found else None
