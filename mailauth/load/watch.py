"""Dovecot's own side of a load: auth-worker processes, their memory, and what the log says of a queue.

Read from /proc/PID/task/PID/children, as this is done while requests are timed: asking every process of
the machine for its parent takes longer.
"""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mailauth.dovecot import inroot, processes
from mailauth.dovecot.logs import parse_line
from mailauth.dovecot.logstamp import Stamps
from mailauth.dovecot.messages import LogKind
from mailauth.records import dataclass

_MOST_LOG = 1 << 20  # bytes of log to read in one look
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ProcessesSeen:
    """``workers``: auth-worker processes; ``rss``: bytes they take together; ``queued``: warnings so far."""

    workers: int | None
    rss: int | None
    queued: int | None


class Watch(Protocol):
    """``most``: the largest that was seen of each."""

    def look(self) -> ProcessesSeen: ...

    @property
    def most(self) -> ProcessesSeen: ...


class Blind:
    """Dovecot is on another machine, or its processes are hidden."""

    most = ProcessesSeen(None, None, None)

    def look(self) -> ProcessesSeen:
        return self.most


class Watcher:
    """Looks at the Dovecot whose master is ``master``; ``log``: the file that its warnings go to."""

    def __init__(self, master: int, log: Path | None, stamps: Stamps | None = None) -> None:
        self._master, self._log = master, log
        self._stamps = stamps or Stamps(datetime.now().astimezone(), ident="dovecot")
        self._place = self._size()
        self._queued = 0
        self._most = ProcessesSeen(0, 0, None)

    @property
    def most(self) -> ProcessesSeen:
        return self._most

    def look(self) -> ProcessesSeen:
        sizes = [size for pid in self._children() if (size := _worker(pid))]
        queued = self._read() if self._log else None
        assert self._most.workers is not None
        assert self._most.rss is not None
        self._most = ProcessesSeen(
            max(self._most.workers, len(sizes)), max(self._most.rss, sum(sizes)), queued
        )
        return ProcessesSeen(len(sizes), sum(sizes), queued)

    def _children(self) -> list[str]:
        with suppress(OSError):  # it may be gone
            return Path(f"/proc/{self._master}/task/{self._master}/children").read_text().split()
        return []

    def _size(self) -> int:
        with suppress(OSError):
            return self._log.stat().st_size if self._log else 0
        return 0

    def _read(self) -> int:
        """Warnings of a queue since the beginning; a rotated log is begun again."""
        assert self._log
        with suppress(OSError), inroot.opened(self._log) as file:
            size = file.seek(0, os.SEEK_END)
            if size < self._place:
                self._place = 0
            file.seek(self._place)
            data = file.read(_MOST_LOG)
            whole = data.rfind(b"\n") + 1
            self._place = size if len(data) == _MOST_LOG and not whole else self._place + whole
            for line in data[:whole].splitlines():
                if b"queued for" in line:
                    event = parse_line(line, self._stamps)
                    self._queued += event is not None and event.kind is LogKind.QUEUED
        return self._queued


def _worker(pid: str) -> int:
    """The resident size of an auth-worker, in bytes; 0 of anything else."""
    with suppress(OSError, ValueError, IndexError):  # it may end while we look
        folder = Path("/proc") / pid
        words = processes.command(pid)
        # verbose_proctitle appends " [...]" to the name
        if words[0].partition(b" ")[0] == b"dovecot/auth" and (b"-w" in words[1:] or b" -w" in words[0]):
            return int((folder / "statm").read_text().split()[1]) * _PAGE
    return 0
