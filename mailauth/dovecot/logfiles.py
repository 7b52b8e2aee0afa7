"""The log's files: their end first, their rotated ones on request, never more than is asked for."""

import bz2
import gzip
import lzma
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, BinaryIO, cast

from mailauth import lines
from mailauth.dovecot import inroot
from mailauth.dovecot.logblocks import Sifted, blocks_of, reader, sieve
from mailauth.dovecot.logs import MOST_LINE, LogEvent, parse_line
from mailauth.dovecot.logsifting import blocks_in
from mailauth.dovecot.logstamp import DEFAULT_STAMP, Stamps
from mailauth.dovecot.loguse import of_use
from mailauth.dovecot.messages import LogKind
from mailauth.errors import CannotObserve
from mailauth.oserrors import unseen

TAIL = 4 * 1024 * 1024
_BLOCK = 1024 * 1024
_KEPT = MOST_LINE + 1
_PROBE = 64 * 1024  # bytes in which a line with a time is sought
_MARKS = (b"starting up", b"SIGHUP received - reloading")
_PACKED = (".gz", ".bz2", ".xz")
_NONE_HELD: Mapping[Path, BinaryIO] = MappingProxyType({})


def tail_since_start(path: Path, stamps: Stamps, most: int = TAIL) -> tuple[list[bytes], bool]:
    """The lines since Dovecot last started or was reloaded, and whether that place was found.

    Reads at most ``most`` bytes, from the end.  Raises CannotObserve when the file cannot be read.
    """
    try:
        with inroot.opened(path) as file:
            end = start = file.seek(0, os.SEEK_END)
            data = b""
            while start and end - start < most:
                size = min(_BLOCK, start, most - (end - start))
                start -= size
                file.seek(start)
                data = file.read(size) + data
                if (mark := _last_mark(data, stamps)) is not None:
                    return data[mark:].splitlines(), True
    except OSError as why:
        raise _unread(path, why) from None
    return data[0 if not start else data.find(b"\n") + 1 :].splitlines(), not start


def _last_mark(data: bytes, stamps: Stamps) -> int | None:
    """Where the last line begins that says that Dovecot started or was reloaded."""
    end = len(data)
    while (at := max(data.rfind(mark, 0, end) for mark in _MARKS)) >= 0:
        begin = data.rfind(b"\n", 0, at) + 1
        stop = data.find(b"\n", at)
        line = data[begin : stop if stop >= 0 else len(data)]
        event = parse_line(line, stamps)
        if event and event.kind in (LogKind.STARTED, LogKind.RELOADED):
            return begin
        end = min(at, begin)
        if end <= 0:
            break
    return None


def rotated(path: Path) -> list[Path]:
    """The older parts of a log, oldest first: mail.log.2.gz, mail.log.1, mail.log-20261122.gz."""
    name = re.escape(path.name)
    day = "[0-9]{4}-?[0-9]{2}-?[0-9]{2}(?:-?[0-9]+)?"
    form = re.compile(rf"{name}(?:\.([0-9]+)|[-.]({day}))(?:\.(?:gz|bz2|xz))?")
    with suppress(OSError):
        found = [path.parent / name for name in inroot.entries(path.parent) if form.fullmatch(name)]
        return sorted(found, key=lambda one: one.stat().st_mtime)
    return []


@contextmanager
def held(paths: Iterable[Path]) -> Iterator[dict[Path, BinaryIO]]:
    """The files, open, for who may not open them.  Raises CannotObserve when one cannot be read."""
    with ExitStack() as files:
        found: dict[Path, BinaryIO] = {}
        for path in paths:
            try:
                found[path] = files.enter_context(inroot.opened(path))
            except OSError as why:
                raise _unread(path, why) from None
        yield found


@contextmanager
def opened(path: Path, file_of: Mapping[Path, BinaryIO] = _NONE_HELD) -> Iterator[IO[bytes]]:
    """The file, unpacked if need be; ``file_of``: those that are open.

    Raises CannotObserve when it cannot be read.
    """
    with ExitStack() as both:  # a packed file does not close the one it is read from
        try:
            if packed := file_of.get(path):
                packed.seek(0)
            else:
                packed = both.enter_context(inroot.opened(path))
            match path.suffix:
                case ".gz":
                    file = cast(IO[bytes], both.enter_context(gzip.open(packed, "rb")))
                case ".bz2":
                    file = both.enter_context(bz2.open(packed, "rb"))
                case ".xz":
                    file = both.enter_context(lzma.open(packed, "rb"))
                case _:
                    file = packed
        except OSError as why:
            raise _unread(path, why) from None
        yield file


def _unread(path: Path, why: OSError) -> CannotObserve:
    return unseen(str(path), why, "the log cannot be read")


def last_time(path: Path, stamps: Stamps, file_of: Mapping[Path, BinaryIO] = _NONE_HELD) -> datetime | None:
    """The time of the last line of Dovecot's; None where none of the last ones has a time."""
    with opened(path, file_of) as file:
        if path.suffix in _PACKED:
            return None
        end = file.seek(0, os.SEEK_END)
        for reach in (_PROBE, TAIL):
            file.seek(max(0, end - reach))
            for line in reversed(file.read(reach).splitlines()):
                parts = stamps.split(line)
                if parts and parts[0]:
                    return parts[0]
    return None


def is_log(path: Path, file_of: Mapping[Path, BinaryIO]) -> bool:
    """Whether lines at its beginning, or at its end, have the time that a line of a log has."""
    with opened(path, file_of) as file:
        lines = file.read(_PROBE).splitlines()
        if path.suffix not in _PACKED:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _PROBE))
            lines += file.read(_PROBE).splitlines()
    return has_times(lines)


_ANY_TIME = re.compile(rb"(?<![\d:])\d\d:\d\d:\d\d(?![\d:])|\b\d{10}\b|\A\{\"")  # the last: JSON


def has_times(lines: Iterable[bytes]) -> bool:
    """Whether any of these lines begins with a time, in whatever form."""
    return any(_ANY_TIME.search(line[:_STAMPED]) for line in lines)


_STAMPED = 120  # bytes of a line in which its time stands


def events_since(
    path: Path,
    since: datetime | None,
    stamps: Stamps,
    end: float = math.inf,
    until: float = math.inf,
    file_of: Mapping[Path, BinaryIO] = _NONE_HELD,
) -> Iterator[tuple[LogEvent | None, int]]:
    """The events of a file from ``since`` on, each with its line's size; None for a line of no use.

    The place is found by halving, since a log is in order of time.  ``end``: the offset to stop at;
    ``until``: as for ``lines.sized``; ``file_of``: as for ``opened``.
    """
    with opened(path, file_of) as file:
        if since is not None and path.suffix not in _PACKED:
            _seek(file, since, stamps)
        at = file.tell()
        try:
            for event, size in events_of(lines_of(file, until), stamps):
                at += size
                if at > end:
                    break
                if event and since and event.when and event.when < since:
                    continue
                yield event, size
        except (OSError, EOFError) as why:
            raise CannotObserve(f"{path}: the log cannot be read to its end ({why}).") from None


def blocks_since(
    path: Path,
    since: datetime | None,
    stamps: Stamps,
    until: float,
    file_of: Mapping[Path, BinaryIO] = _NONE_HELD,
) -> Iterator[Sifted]:
    """The blocks of a file from shortly before ``since`` on; the rest as for ``events_since``."""
    with opened(path, file_of) as file:
        packed = path.suffix in _PACKED
        if since is not None and not packed:
            _seek(file, since, stamps)
        sift = sieve(stamps.ident, common=stamps.own == DEFAULT_STAMP)
        try:
            if packed:
                yield from blocks_of(reader(file), sift, until)
            else:
                yield from blocks_in(cast(BinaryIO, file), sift, until)
        except (OSError, EOFError) as why:
            raise CannotObserve(f"{path}: the log cannot be read to its end ({why}).") from None


def lines_of(file: IO[bytes], until: float = math.inf) -> Iterator[tuple[bytes, int]]:
    """Lines with their sizes; of one that is too long so much that it shows."""
    return lines.sized(file, _KEPT, until)


def events_of(found: Iterable[tuple[bytes, int]], stamps: Stamps) -> Iterator[tuple[LogEvent | None, int]]:
    """The events of lines, each with its line's size; None for a line of no use, or one that is too long."""
    for line, size in found:
        use = size <= MOST_LINE and of_use(line)
        yield (parse_line(line, stamps) if use else None), size


def _seek(file: IO[bytes], since: datetime, stamps: Stamps) -> None:
    """To the start of a line shortly before the first one that is not older than ``since``."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > _PROBE:
        middle = (low + high) // 2
        file.seek(middle)
        when = _first_time(file, stamps)
        if when is not None and when < since:
            low = middle
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline(MOST_LINE)


def _first_time(file: IO[bytes], stamps: Stamps) -> datetime | None:
    file.readline(MOST_LINE)
    for line in file.read(_PROBE).splitlines():
        parts = stamps.split(line)
        if parts and parts[0]:
            return parts[0]
    return None
