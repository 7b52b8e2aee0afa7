"""What a program in a root folder of its own must see of this machine, at the same paths."""

import grp
import os
import pwd
import tempfile
from pathlib import Path

from mailauth.errors import CannotObserve


def binds(root: Path | None, folder: Path) -> list[tuple[str, str]]:
    """Pairs for ``Start``; none without a root.  ``folder`` is the lab's, for files that are made here.

    Raises CannotObserve when the folder for temporary files has no place in that root.
    """
    if root is None:
        return []
    shared = Path(tempfile.gettempdir()).resolve()
    inside = root / shared.relative_to("/")
    try:
        inside.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise CannotObserve(f"{inside} cannot be made ({why.strerror}); set TMPDIR=/tmp.") from why
    found = [("/dev", "/dev"), ("/proc", "/proc"), (str(shared), str(shared))]
    if names := own_names():
        user, group = names
        passwd, groups = folder / "passwd", folder / "group"
        passwd.write_text(f"root:x:0:0::/:\n{user}:x:{os.geteuid()}:{os.getegid()}::/:\n")
        groups.write_text(f"root:x:0:\n{group}:x:{os.getegid()}:\n")
        found += [(str(passwd), "/etc/passwd"), (str(groups), "/etc/group")]
    return found


def own_names() -> tuple[str, str] | None:
    """Our user and group, when we are not root."""
    if os.geteuid() == 0:
        return None
    try:
        return pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    except KeyError as why:
        raise CannotObserve("This user has no name, and Dovecot needs one to run as.") from why
