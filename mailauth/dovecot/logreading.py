"""Read a log whole: files, rotated ones too, or a stream; as nobody where root asks."""

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from io import UnsupportedOperation
from pathlib import Path
from typing import IO, BinaryIO

from mailauth.dovecot import logfiles
from mailauth.dovecot.children import nobody
from mailauth.dovecot.logblocks import Sifted, blocks_of, reader, sieve
from mailauth.dovecot.logcensus import Census
from mailauth.dovecot.logclients import of_lookup
from mailauth.dovecot.logfiles import blocks_since, held, last_time, rotated
from mailauth.dovecot.logrepeated import parser
from mailauth.dovecot.logreport import FromLogReport, Read, Reading, report, written
from mailauth.dovecot.logs import LogEvent, plain
from mailauth.dovecot.logstamp import DEFAULT_STAMP, Stamps
from mailauth.dovecot.messages import LogKind
from mailauth.errors import UsageError
from mailauth.lines import OutOfTime

_REPORTING = 60  # seconds beyond those of the reading
_LOOK = 1024  # events between two looks at the clock


def read_logs(asked: Reading, shown_as: Callable[[Path], str] = str) -> FromLogReport:
    """Read the files, as nobody where root asks.

    Raises CannotObserve when one cannot be read, and UsageError where none is a log.
    """
    files = [one for path in asked.paths for one in (*(rotated(path) if asked.rotated else ()), path)]
    with held(files) as file_of:
        kept = [file.fileno() for file in file_of.values()]
        found = _as_nobody(lambda: _read_files(file_of, asked, shown_as), asked, kept)
    if found is None:
        raise UsageError(f"{', '.join(map(shown_as, files))}: {_NO_LOG}")
    return replace(found, free=_free(files[-1], found)) if files else found


def _free(file: Path, found: FromLogReport) -> int | None:
    """What the filesystem of a log has left that is written now."""
    if not written(found, datetime.now().astimezone()):
        return None
    with suppress(OSError):
        told = os.statvfs(file)
        return told.f_bavail * told.f_frsize
    return None


def _as_nobody(
    read: Callable[[], FromLogReport | None], asked: Reading, kept: list[int]
) -> FromLogReport | None:
    """Strangers wrote what is in it, and C unpacks it.  The child has as long as the reading may take."""
    return nobody(read, FromLogReport | None, seconds=int(asked.seconds) + _REPORTING, kept=kept)


def _read_files(
    file_of: Mapping[Path, BinaryIO], asked: Reading, shown_as: Callable[[Path], str]
) -> FromLogReport | None:
    """None where none of them is a log."""
    now = datetime.now().astimezone()
    ends = [last_time(path, stamps_of(asked, now), file_of) for path in file_of]
    latest = max((end for end in ends if end), default=None)
    since = latest - asked.since if latest and asked.since is not None else None
    read = Read()
    census = Census(asked.several)
    until = time.monotonic() + asked.seconds
    with _no_collector():
        for path in file_of:
            if read.stopped:
                read.stopped += f", and none of {shown_as(path)}"
                continue
            read.sources.append(shown_as(path))
            stamps = stamps_of(asked, now)
            blocks = blocks_since(path, since, stamps, until, file_of)
            with _said_where(read):
                _take(census, events_in(blocks, stamps, read, since), asked, read, until)
    if read.lines and not census.lines and not any(logfiles.is_log(path, file_of) for path in file_of):
        return None
    return report(census, read, asked)


_NO_LOG = (
    "this is no log: no line of it has a time; where Dovecot's log_timestamp was changed, name it with"
    " --log-timestamp. Of the journal, what journalctl -o json or -o short-iso writes is read, and no"
    " -o export."
)


def read_stream(stream: IO[bytes], asked: Reading, name: str = "standard input") -> FromLogReport:
    """Read all that comes, without a look back; as nobody where root asks.

    Raises UsageError where that is no log.
    """
    kept = list[int]()
    with suppress(UnsupportedOperation):  # it is in memory
        kept = [stream.fileno()]
    found = _as_nobody(lambda: _read_stream(stream, asked, name), asked, kept)
    if found is None:
        raise UsageError(f"{name}: {_NO_LOG}")
    return found


def _read_stream(stream: IO[bytes], asked: Reading, name: str) -> FromLogReport | None:
    """None where it is no log."""
    read, census = Read(sources=[name]), Census(asked.several)
    first = bytearray()
    get = reader(stream)

    def part(size: int) -> bytes:
        told = get(size)
        if len(first) < _FIRST_BYTES:
            first.extend(told)
        return told

    with _no_collector():
        until, stamps = time.monotonic() + asked.seconds, stamps_of(asked, datetime.now().astimezone())
        sift = sieve(stamps.ident, common=stamps.own == DEFAULT_STAMP)
        with _said_where(read):
            blocks = blocks_of(part, sift, until)
            _take(census, events_in(blocks, stamps, read), asked, read, until)
    if read.lines and not census.lines and not logfiles.has_times(bytes(first).split(b"\n")[:_FIRST]):
        return None
    return report(census, read, asked)


_FIRST = 100  # lines by which a log is known
_FIRST_BYTES = 1024 * 1024  # in which they are


@contextmanager
def _no_collector() -> Iterator[None]:
    """Nothing here goes in circles, and the collector takes a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def _said_where(read: Read) -> Iterator[None]:
    """Where it ended for lack of time, if it did."""
    before = read.size
    try:
        yield
    except OutOfTime:
        read.stopped = f"{read.sources[-1]} after {(read.size - before) / 1024**2:,.0f} MiB"


def stamps_of(asked: Reading, now: datetime) -> Stamps:
    """How the lines begin that are read."""
    return Stamps(now, own=asked.log_timestamp, ident=asked.ident)


def events_in(
    blocks: Iterable[Sifted], stamps: Stamps, read: Read, since: datetime | None = None
) -> Iterator[tuple[LogEvent, int]]:
    """The events from ``since`` on, each with its line's size; all lines are counted in ``read``."""
    parse = parser(stamps)
    for block in blocks:
        read.lines += block.lines
        read.size += block.size
        read.long += block.long
        for line in block.useful:
            event = parse(line)
            if event is None:
                continue
            if since and event.when and event.when < since:
                read.lines -= 1
            else:
                yield event, len(line)


def _take(
    census: Census, events: Iterable[tuple[LogEvent, int]], asked: Reading, read: Read, until: float
) -> None:
    """Raises OutOfTime where ``until`` comes before their end."""
    wanted = {plain(name, 80).casefold() for name in (asked.user, asked.looked_up) if name}
    for number, (event, size) in enumerate(events):
        if not number % _LOOK and time.monotonic() > until:
            raise OutOfTime
        if of_lookup(event):
            continue
        if event.ours:
            read.own += event.kind is not LogKind.OTHER
            continue
        read.dated += event.when is not None
        if not wanted or not event.user or event.user.casefold() in wanted:
            census.add(event, size)
