"""What Dovecot's log has had added since a moment: read on from there, and bounded."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mailauth.dovecot import inroot, journalctl
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.probes.log_tail import log_paths, stamps_of, syslog_file
from mailauth.records import dataclass

_MOST = 4 * 1024 * 1024  # bytes of a file that are read at a time
_JOURNAL_MOST = 32 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """How far each file of the log went, by its inode; ``at``: the same moment, for the journal."""

    files: tuple[tuple[Path, int, int], ...]
    at: float


def mark(dovecot: Installation, config: AuthConfig) -> Mark:
    """The end of the log now: of Dovecot's own, or syslog's; of no file where the journal has it."""
    names = [path for path in log_paths(config.tree) if path.startswith("/") and path[:5] != "/dev/"]
    with suppress(CannotObserve):
        if not names:
            names = [name for name in (syslog_file(dovecot),) if name]
    paths = [dovecot.path(name) for name in names]
    return Mark(tuple((path, *_end(path)) for path in paths), time.time())


def added(dovecot: Installation, config: AuthConfig, since: Mark) -> tuple[list[bytes], Mark]:
    """The lines that were added, and how far that is; of the journal all since that moment."""
    if not since.files:
        ident = stamps_of(config.tree).ident
        return ([] if dovecot.pid else _journal(ident, since.at)), since
    lines: list[bytes] = []
    files = []
    for file in since.files:
        more, end = _read_on(*file)
        lines += more
        files.append(end)
    return lines, Mark(tuple(files), since.at)


def _end(path: Path) -> tuple[int, int]:
    with suppress(OSError), inroot.opened(path) as file:
        return _told(file)
    return 0, 0


def _told(file: BinaryIO) -> tuple[int, int]:
    told = os.fstat(file.fileno())
    return told.st_ino, told.st_size


def _read_on(path: Path, inode: int, offset: int) -> tuple[list[bytes], tuple[Path, int, int]]:
    """The whole lines that a file has had added; all of a new one."""
    with suppress(OSError), inroot.opened(path) as file:
        now, size = _told(file)
        begin = offset if now == inode and size >= offset else 0
        file.seek(begin)
        data = file.read(_MOST)
        whole = data[: data.rfind(b"\n") + 1]
        return whole.splitlines(), (path, now, begin + len(whole))
    return [], (path, inode, offset)


def _journal(ident: str, since: float) -> list[bytes]:
    program = shutil.which("journalctl")
    if program is None:
        return []
    with suppress(CannotObserve):
        _, said, _ = journalctl.ask(program, ident, "--since", f"@{since:.6f}", most=_JOURNAL_MOST)
        return said.splitlines()
    return []
