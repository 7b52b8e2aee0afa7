"""Folders and files of our own that are believed later: for us alone, and looked at before they are.

Whoever else could write one could have us write other bytes anywhere as root, so a folder above
counts as well.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from mailauth import whole
from mailauth.errors import Refused

_MOST = 64 * 1024 * 1024  # bytes of a file


class NotOurs(Refused):
    """Somebody else owns it, or may write it."""


ROOTS = Path("/var/lib/mailauth")  # all that root keeps


def state(kind: str) -> Path:
    """Where this kind is kept: /var/lib/mailauth for root, the XDG state folder else; MAILAUTH_STATE wins."""
    if named := os.environ.get("MAILAUTH_STATE"):
        return Path(named) / kind
    if os.geteuid() == 0:
        return ROOTS / kind
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "mailauth" / kind


def make(path: Path) -> None:
    """Make the folder and each one above it that lacks, mode 0700 whatever the umask.

    Raises OSError, and NotOurs where another user could have put something there.
    """
    for one in [*reversed(path.parents), path]:
        try:
            one.mkdir(mode=0o700)
        except FileExistsError:
            continue
    check(path)


def close(path: Path) -> None:
    """Take everybody else's rights away: it may have been made by another program, or another umask.

    Raises OSError.
    """
    state = path.lstat()
    if state.st_uid == os.geteuid() and stat.S_ISDIR(state.st_mode) and state.st_mode & 0o077:
        path.chmod(stat.S_IMODE(state.st_mode) & ~0o077)


def check(path: Path) -> None:
    """The folder is ours alone, and nobody else can put another in its place.  Raises OSError, NotOurs."""
    _own(path, path.lstat(), stat.S_ISDIR)
    for above in path.resolve().parents:
        state = above.stat()
        sticky = bool(state.st_mode & stat.S_ISVTX)
        if state.st_uid not in (0, os.geteuid()) or (state.st_mode & _others() and not sticky):
            raise NotOurs(
                f"{path}: {above} {_whose(state)}, who could put anything there; it is not believed."
            )


def read(path: Path) -> bytes:
    """A file of ours in a folder of ours.  Raises OSError, also where it is too large, and NotOurs."""
    with os.fdopen(opened(path, os.O_RDONLY), "rb") as file:
        return whole.read(file, _MOST, path)


def trusted(path: Path) -> bool:
    """Whether root or we own a file and each folder above, so that nobody else chose what is in it."""
    try:
        real = path.resolve(strict=True)
        states = [(one.stat(), one is real) for one in (real, *real.parents)]
    except OSError:
        return False
    return all(
        state.st_uid in (0, os.geteuid())
        and (not state.st_mode & _others() or (state.st_mode & stat.S_ISVTX and not file))
        for state, file in states
    )


def opened(path: Path, flags: int) -> int:
    """A descriptor of a file of ours in a folder of ours.  Raises OSError, NotOurs."""
    check(path.parent)
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _own(path, os.fstat(file), stat.S_ISREG)
    except BaseException:
        os.close(file)
        raise
    return file


def _own(path: Path, state: os.stat_result, kind: Callable[[int], bool]) -> None:
    if not kind(state.st_mode):
        raise NotOurs(f"{path}: is not of the kind that mailauth made; it is not believed.")
    if state.st_uid != os.geteuid() or state.st_mode & _others():
        raise NotOurs(f"{path}: {_whose(state)}; it is not believed.")


def _others() -> int:
    """An ordinary user's group is mostly private."""
    return 0o022 if os.geteuid() == 0 else 0o002


def _whose(state: os.stat_result) -> str:
    return f"belongs to uid {state.st_uid} and has mode {stat.S_IMODE(state.st_mode):04o}"
