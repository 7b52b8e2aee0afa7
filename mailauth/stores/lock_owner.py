"""Whether the owner of a lock file is gone: it holds "pid:host", as Dovecot's own do.

Source: Dovecot 2.3.19.1, src/lib/file-dotlock.c.
"""

import socket
from pathlib import Path

from mailauth import digits

_NAMING = 5.0  # seconds that an owner has to write its name


def ours(pid: int) -> bytes:
    """What stands in a lock file of a process of this machine."""
    return f"{pid}:{socket.gethostname()}".encode()


def left_behind(text: str, age: float) -> bool:
    """The lock's owner was a process of this machine, and is no more; or it did not get to write its name.

    ``age``: of the file, in seconds.
    """
    if not text:
        return age > _NAMING
    pid, _, host = text.strip().partition(":")
    return digits.are(pid) and host == socket.gethostname() and not _runs(pid)


def _runs(pid: str) -> bool:
    """A process that was killed, and that its parent has not waited for, does not run: proc(5), state."""
    try:
        said = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:
        return True
    return said.rpartition(b")")[2].split()[:1] not in ([b"Z"], [b"X"])
