"""A large log is sifted by processes of their own, block by block in turn, and counted here, in order.

They are made by whoever reads the log, and may do no more than it may; what they say is lines of the log.
"""

import fcntl
import os
import signal
import struct
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from mailauth import lines
from mailauth.dovecot import confining
from mailauth.dovecot.logblocks import BLOCK, Sieve, Sifted, blocks_of, reader
from mailauth.dovecot.logs import MOST_LINE
from mailauth.lines import OutOfTime

LARGE = 16 * BLOCK
"""Bytes from which it is worth it: a process takes some milliseconds."""
_HELPERS = 2
_HEAD = struct.Struct("=QQQ")  # lines, those that are too long, bytes of those of use
_PIPE = 1024 * 1024
_BEYOND = MOST_LINE + 1  # bytes behind a block in which its last line ends, unless it is too long


def blocks_in(file: BinaryIO, sift: Sieve, until: float) -> Iterator[Sifted]:
    """All of a file on a disk from where it is; raises what ``blocks_of`` raises."""
    start = file.tell()
    whole = (os.fstat(file.fileno()).st_size - start - _BEYOND) // BLOCK
    if whole * BLOCK >= LARGE and len(os.sched_getaffinity(0)) > 1:
        done = yield from _blocks(file.fileno(), sift, (start, whole), until)
        if done:  # what is left, and all where no process could be made
            file.seek(start + done * BLOCK - 1)
            next(lines.sized(file, MOST_LINE, until), None)  # its line is of the block before
    yield from blocks_of(reader(file), sift, until)


def _blocks(
    descriptor: int, sift: Sieve, part: tuple[int, int], until: float
) -> Generator[Sifted, None, int]:
    """So many blocks from there on; returns how many: fewer where a process was ended from outside."""
    start, whole = part
    with _helpers(descriptor, sift, start, whole) as heard:
        for number in range(whole):
            told = heard[number % _HELPERS]
            head = told.read(_HEAD.size)
            if len(head) < _HEAD.size:
                return number
            count, long, size = _HEAD.unpack(head)
            text = told.read(size)
            if len(text) < size:
                return number
            if time.monotonic() > until:
                raise OutOfTime
            yield Sifted(count, BLOCK, long, [line + b"\n" for line in text.split(b"\n")[:-1]])
    return whole


@contextmanager
def _helpers(descriptor: int, sift: Sieve, start: int, whole: int) -> Iterator[list[BinaryIO]]:
    """What each of them says; they are ended at the end, whatever they still do."""
    heard: list[BinaryIO] = []
    children: list[int] = []
    try:
        for one in range(_HELPERS):
            reader, writer = os.pipe()
            heard.append(os.fdopen(reader, "rb"))
            with suppress(OSError):  # more than the system allows: it is slower
                fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE)
            try:
                child = os.fork()
                if not child:
                    _help(descriptor, sift, start, range(one, whole, _HELPERS), writer)
                children.append(child)
            except OSError:  # no process more: nothing is heard of it
                pass
            finally:
                os.close(writer)
        yield heard
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for each in heard:
            each.close()


def _help(descriptor: int, sift: Sieve, start: int, numbers: range, writer: int) -> None:
    """In a child, which ends here: say the lines of use of these blocks, and how many there are."""
    try:
        confining.die_with_parent()
        with os.fdopen(writer, "wb", buffering=0) as told:
            for number in numbers:
                found = _block(descriptor, sift, start, number)
                text = b"".join(found.useful)
                said = memoryview(_HEAD.pack(found.lines, found.long, len(text)) + text)
                while said:
                    said = said[told.write(said) :]
    finally:
        os._exit(0)


def _block(descriptor: int, sift: Sieve, start: int, number: int) -> Sifted:
    """The lines that begin in it."""
    if number:
        text = os.pread(descriptor, BLOCK + _BEYOND, start + number * BLOCK - 1)
    else:
        text = b"\n" + os.pread(descriptor, BLOCK + _BEYOND - 1, start)
    first, last = text.find(b"\n", 0, BLOCK), text.rfind(b"\n", 0, BLOCK)
    if first < 0:
        return Sifted(0, BLOCK, 0, [])
    end = text.find(b"\n", BLOCK)
    if end >= 0:
        return sift(text[first : end + 1])
    found = sift(text[first : last + 1])
    return found._replace(lines=found.lines + 1, long=found.long + 1)
