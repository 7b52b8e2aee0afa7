"""The canary's user and password, from a file that only its owner may read."""

import os
import stat
from pathlib import Path

from mailauth.check.asked import Credentials
from mailauth.errors import UsageError
from mailauth.hashes import Password

_MOST = 4096
_FORM = "write two lines, user = NAME and password = WORDS"


def read_credentials(path: Path) -> Credentials:
    """Raises UsageError where the file is not there, is open to others, or does not say both."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as why:
        raise UsageError(f"--canary {path}: cannot be read ({why.strerror}).") from None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise UsageError(f"--canary {path}: is not a file; {_FORM} to one.")
        if about.st_mode & 0o077 or about.st_uid not in (0, os.geteuid()):
            raise UsageError(
                f"--canary {path}: others may read it, or it is somebody else's; chown it to the user that"
                f" runs this, and: chmod 600 {path}"
            )
        lines = file.read(_MOST).split(b"\n")
    said = {}
    for line in lines:
        name, equals, value = line.removesuffix(b"\r").partition(b"=")
        if equals:
            said[name.strip()] = value.removeprefix(b" ")
    user, password = said.get(b"user", b"").strip(), said.get(b"password", b"")
    try:
        name_of = user.decode()
    except UnicodeDecodeError:
        name_of = ""
    if not name_of or not password:
        raise UsageError(f"--canary {path}: has no user or no password; {_FORM}.")
    return Credentials(name_of, Password(password), f"{about.st_ino}:{about.st_mtime_ns}:{about.st_size}")
