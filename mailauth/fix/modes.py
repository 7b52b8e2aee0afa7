"""A file's mode and owner, changed by its descriptor: not those of what a user puts at its path meanwhile."""

import os
import re
import stat
from pathlib import Path

from mailauth import digits
from mailauth.dovecot import confining
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import Refused
from mailauth.remedies import Words
from mailauth.stores import replace

_AT_EMPTY_PATH = 0x1000  # linux/fcntl.h: the file that the descriptor is of
_SHOWN = 5
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
_WHO = {"u": 0o700, "g": 0o070, "o": 0o007, "a": 0o777}


def is_one(words: Words) -> bool:
    """Whether it is ``chmod -- MODE PATH`` or ``chgrp -- GROUP PATH``."""
    return (words[0] in ("chmod", "chgrp") and words[1] == "--" and len(words) == 4) or _gives(words)


def _gives(words: Words) -> bool:
    """Whether it is ``chown -R -- UID:GID PATH``."""
    return words[:3] == ("chown", "-R", "--") and len(words) == 5


def change(dovecot: Installation, words: Words) -> None:
    """Do what the command would do, where that Dovecot lives.  Raises Refused, and CannotObserve."""
    if _gives(words):
        (uid, gid), path = map(int, words[3].split(":")), words[4]
        dovecot.inside(lambda: _give(path, uid, gid))
        return
    program, _, what, path = words
    group = None
    if program == "chgrp":
        group = dovecot.group(what) if (given := digits.number(what)) is None else given
        if group is None:
            raise Refused(f"{path}: there is no group {what}.")
    dovecot.inside(lambda: _change(path, what, group))


def _change(path: str, mode: str, group: int | None) -> None:
    try:
        with replace.held(Path(path)) as file:
            state = os.fstat(file)
            if stat.S_ISREG(state.st_mode) and state.st_nlink > 1:
                raise Refused(f"{path}: has other names, which may be another file's; it was left alone.")
            if group is None:
                os.fchmod(file, changed(stat.S_IMODE(state.st_mode), mode))
            else:
                os.fchown(file, -1, group)
    except OSError as why:
        raise Refused(f"{path}: cannot be changed ({why.strerror}).") from None


def _give(path: str, uid: int, gid: int) -> None:
    """A folder with all that is in it, each folder held while it is looked into; no link is followed.

    Raises Refused for a file of other names that is somebody else's: it may be a file from anywhere.
    """
    others = []
    try:
        with replace.held(Path(path)) as top:
            if not stat.S_ISDIR(os.fstat(top).st_mode):
                raise Refused(f"{path}: is no folder; it was left alone.")
            os.fchown(top, uid, gid)
            for where, folders, files, here in os.fwalk(".", dir_fd=top, follow_symlinks=False):
                left = [name for name in (*folders, *files) if not _given(here, name, uid, gid)]
                others += [os.path.normpath(f"{path}/{where}/{name}") for name in left]
    except OSError as why:
        raise Refused(f"{path}: cannot be changed ({why.strerror}).") from None
    if others:
        first = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        raise Refused(
            f"{path}: has files with other names, which may be another's; these were left alone: {first}."
        )


def _given(folder: int, name: str, uid: int, gid: int) -> bool:
    """False for a file with other names that is not theirs.  Raises OSError."""
    try:
        file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:  # mail is moved all the time
        return True
    try:
        state = os.fstat(file)
        if state.st_uid != uid and state.st_nlink > 1 and not stat.S_ISDIR(state.st_mode):
            return False
        confining.call("fchownat", file, b"", uid, gid, _AT_EMPTY_PATH)
    finally:
        os.close(file)
    return True


def changed(now: int, mode: str) -> int:
    """A mode after chmod's words: "0750", "g+r,o-rwx".  Source: chmod(1)."""
    if digits.are(mode):
        return int(mode, 8)
    for one in mode.split(","):
        found = re.fullmatch(r"([ugoa]+)([+-])([rwx]+)", one)
        assert found, "remedies have no other form"
        whose = 0
        for who in found[1]:
            whose |= _WHO[who]
        bits = sum(_BITS[bit] for bit in set(found[3])) & whose
        now = now | bits if found[2] == "+" else now & ~bits
    return now
