"""The numbers of users and groups as a process has them, in a user namespace of its own.

Source: user_namespaces(7), /proc/PID/uid_map: first in there, first out here, how many.
"""

import os
from pathlib import Path

_NOBODY = 65534  # for what has no number in there: /proc/sys/kernel/overflowuid


def state(path: Path, pid: int | None) -> os.stat_result:
    """Owner, group and mode of a file, as that process sees them.  Raises OSError."""
    told = path.stat()
    if pid is None:
        return told
    words = list(told[:10])
    words[4], words[5] = (
        _mapped(told.st_uid, f"/proc/{pid}/uid_map"),
        _mapped(told.st_gid, f"/proc/{pid}/gid_map"),
    )
    return os.stat_result(words)


def _mapped(number: int, table: str) -> int:
    for line in Path(table).read_text().splitlines():
        inside, outside, many = (int(word) for word in line.split())
        if outside <= number < outside + many:
            return inside + number - outside
    return _NOBODY
