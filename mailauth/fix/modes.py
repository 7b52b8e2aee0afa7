"""A file's mode and group, changed by its descriptor: not those of what a user puts at its path meanwhile."""

import os
import re
import stat
from pathlib import Path

from mailauth.dovecot.doveadm import Installation
from mailauth.errors import Refused
from mailauth.remedies import Words
from mailauth.stores import replace

_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
_WHO = {"u": 0o700, "g": 0o070, "o": 0o007, "a": 0o777}


def is_one(words: Words) -> bool:
    """Whether it is ``chmod -- MODE PATH`` or ``chgrp -- GROUP PATH``."""
    return words[0] in ("chmod", "chgrp") and words[1] == "--" and len(words) == 4


def change(dovecot: Installation, words: Words) -> None:
    """Do what the command would do, where that Dovecot lives.  Raises Refused, and CannotObserve."""
    program, _, what, path = words
    group = None
    if program == "chgrp":
        group = int(what) if what.isdigit() else dovecot.group(what)
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


def changed(now: int, mode: str) -> int:
    """A mode after chmod's words: "0750", "g+r,o-rwx".  Source: chmod(1)."""
    if mode.isdigit():
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
