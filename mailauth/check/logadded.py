"""What a log has had added since a place, also when it was rotated meanwhile."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from mailauth.check.asked import Server
from mailauth.dovecot import journalctl
from mailauth.dovecot.logfiles import events_of, events_since, opened, rotated
from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.logstamp import Stamps
from mailauth.errors import CannotObserve
from mailauth.oserrors import unseen
from mailauth.probes.log_tail import SYSLOG_FILES, log_paths, stamps_of, syslog_file
from mailauth.records import dataclass

_MOST = 16 * 1024 * 1024  # bytes in one run: half a second's parsing
_HEAD = 512  # bytes by which a file is known again
_JOURNAL_LINES = 50_000
_JOURNAL_MOST = 64 * 1024 * 1024  # bytes
_JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class LogPlace:
    """How far a file was read; ``head``: a digest of its first ``length`` bytes.  Of the journal: a time."""

    offset: float
    length: int = 0
    head: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """What was added, where it ends now, and how many bytes were too many to be read."""

    events: list[tuple[LogEvent, int]]
    places: dict[str, LogPlace]
    passed_over: int


def added(server: Server, places: Mapping[str, LogPlace], since: float) -> Added:
    """Everything after ``places``; of a log that is not among them, what is not older than ``since``.

    Raises CannotObserve.
    """
    tree = server.config.tree
    paths = log_paths(tree)
    stamps = stamps_of(tree)
    if console := next((path for path in paths if path.startswith("/dev/")), ""):
        raise CannotObserve(
            f"Dovecot logs to {console}, which cannot be read again: failures are not counted."
        )
    if "syslog" in paths:
        if not (written := syslog_file(server.dovecot)):
            return _of_journal(server, stamps, places.get(_JOURNAL), since)
        paths = [written]
    events: list[tuple[LogEvent, int]] = []
    found: dict[str, LogPlace] = {}
    passed_over = 0
    for name in paths:
        path = server.dovecot.path(name)
        if not server.dovecot.has(name):
            continue
        with opened(path) as file:  # once: it may be rotated at any moment
            # The end first: what is written meanwhile is for the next run.
            end = found[name] = _end_of(path, file)
            if (place := places.get(name)) is None:
                began = datetime.fromtimestamp(since, tz=UTC).astimezone()
                lately = events_since(path, began, stamps, end.offset)
                events += [(event, size) for event, size in lately if event]
                continue
            for stream, start, stop in _parts(path, file, place, end):
                first = max(start, stop - _MOST)
                passed_over += first - start
                stream.seek(first)
                found_there = _with_sizes(stream.read(stop - first).splitlines(keepends=True))
                events += [(event, size) for event, size in events_of(found_there, stamps) if event]
    if not found:
        raise CannotObserve(f"{', '.join(paths)}: there is no such file, so failures are not counted.")
    return Added(events, found, passed_over)


def _with_sizes(found: list[bytes]) -> Iterator[tuple[bytes, int]]:
    return ((line, len(line)) for line in found)


def _end_of(path: Path, file: IO[bytes]) -> LogPlace:
    """Behind the last whole line."""
    try:
        end = file.seek(0, os.SEEK_END)
        begin = max(0, end - _MOST)
        file.seek(begin)
        end = begin + file.read(end - begin).rfind(b"\n") + 1
        file.seek(0)
        head = file.read(min(_HEAD, end))
    except OSError as why:
        raise unseen(str(path), why, "the log cannot be read") from None
    return LogPlace(end, len(head), hashlib.sha256(head).hexdigest())


def _parts(
    path: Path, file: IO[bytes], place: LogPlace, end: LogPlace
) -> Iterator[tuple[IO[bytes], int, int]]:
    """The files to read, each from where to where: the rest of the old one, if it was rotated, first."""
    offset, stop = int(place.offset), int(end.offset)
    if stop >= offset and _known(file, place):
        yield file, offset, stop
        return
    # What the old file became: renamed, copied or packed.
    for old in reversed(rotated(path)):
        with suppress(CannotObserve), opened(old) as stream:
            if _known(stream, place):
                yield stream, offset, max(offset, stream.seek(0, os.SEEK_END))
                break
    yield file, 0, stop


def _known(file: IO[bytes], place: LogPlace) -> bool:
    """Whether a file begins as the one that was read, and is as long at least."""
    try:
        file.seek(0)
        head = file.read(place.length)
    except (OSError, EOFError):
        return False
    return len(head) == place.length and hashlib.sha256(head).hexdigest() == place.head


def _of_journal(server: Server, stamps: Stamps, place: LogPlace | None, since: float) -> Added:
    """The journal of this machine, from a time on."""
    program = shutil.which("journalctl")
    if program is None or server.dovecot.pid:
        raise CannotObserve(f"Dovecot logs to syslog, and none of {', '.join(SYSLOG_FILES)} is there.")
    begin, end = place.offset if place else since, time.time()
    span = ("--since", f"@{begin:.6f}", "--until", f"@{end:.6f}")
    lines = _of(program, stamps.ident, "-n", str(_JOURNAL_LINES), *span)
    if not lines and not _of(program, stamps.ident, "-n", "1"):
        raise CannotObserve(
            f"Dovecot logs to syslog; none of {', '.join(SYSLOG_FILES)} is there, and the journal has no line"
            f" of {stamps.ident}: failures are not counted."
        )
    events = [
        (event, size)
        for event, size in events_of(_with_sizes(lines), stamps)
        if event and (event.when is None or event.when.timestamp() > begin)
    ]
    return Added(events, {_JOURNAL: LogPlace(end)}, 0)


def _of(program: str, ident: str, *options: str) -> list[bytes]:
    """What the journal has, as JSON.  Raises CannotObserve."""
    status, said, errors = journalctl.ask(program, ident, *options, most=_JOURNAL_MOST)
    if status and errors:
        raise CannotObserve(f"journalctl: {errors.decode('utf-8', 'replace').splitlines()[0]}")
    return said.splitlines(keepends=True)
