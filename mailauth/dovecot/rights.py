"""What a process may do, as /proc/PID/status says: its user, its groups, its capabilities.

A program that is set-user-ID has its owner's rights and who started it: whoever that is chose what it is
started with, and what its name is.  Source: proc_pid_status(5), credentials(7).
"""

import errno
import os
import re
from dataclasses import replace

from mailauth.records import dataclass


class OthersError(OSError):
    """It runs with the rights of another user than who started it, or became somebody else meanwhile."""


@dataclass(frozen=True, slots=True)
class Rights:
    """The numbers of users are as our user namespace has them."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    bounding: int
    permitted: int

    def within(self, first: "Rights") -> "Rights":
        """What it has still of what it had ``first``.  Raises OthersError where it is somebody else now."""
        if (self.uid, self.gid) != (first.uid, first.gid):
            raise OthersError(errno.EPERM, "it has become another user's process meanwhile")
        groups = tuple(one for one in self.groups if one in first.groups)
        return replace(self.capable(first), groups=groups)

    def capable(self, first: "Rights") -> "Rights":
        """With no capability that it had not ``first``."""
        return replace(
            self, bounding=self.bounding & first.bounding, permitted=self.permitted & first.permitted
        )


def of(process: int) -> Rights:
    """By a descriptor of its folder in /proc.  Raises OSError when it has ended, and OthersError."""
    with os.fdopen(os.open("status", os.O_RDONLY, dir_fd=process), errors="replace") as file:
        told = dict(re.findall(r"^(\w+):[ \t]*(.*)$", file.read(), re.MULTILINE))
    users, groups = told["Uid"].split(), told["Gid"].split()
    if len(set(users)) > 1 or len(set(groups)) > 1:
        raise OthersError(errno.EPERM, "it runs with another user's rights than whose it is")
    return Rights(
        uid=int(users[0]),
        gid=int(groups[0]),
        groups=tuple(int(one) for one in told["Groups"].split()),
        bounding=int(told["CapBnd"], 16),
        permitted=int(told["CapPrm"], 16),
    )


def of_pid(pid: int) -> Rights:
    """Raises as ``of``."""
    process = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY)
    try:
        return of(process)
    finally:
        os.close(process)
