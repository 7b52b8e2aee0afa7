"""A large log is sifted by processes of their own, block by block in turn, and counted here, in order.

What they say is lines of the log.
"""

import os
import struct
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import BinaryIO

from mailauth import lines
from mailauth.dovecot import beside
from mailauth.dovecot.logblocks import BLOCK, Sieve, Sifted, blocks_of, reader
from mailauth.dovecot.logs import MOST_LINE
from mailauth.lines import OutOfTime

LARGE = 16 * BLOCK
"""Bytes from which it is worth it: a process takes some milliseconds."""
_HEAD = struct.Struct("=QQ")  # lines, and those that are too long
_BEYOND = MOST_LINE + 1  # bytes behind a block in which its last line ends, unless it is too long


def blocks_in(file: BinaryIO, sift: Sieve, until: float) -> Iterator[Sifted]:
    """All of a file on a disk from where it is; raises what ``blocks_of`` raises."""
    start = file.tell()
    whole = (os.fstat(file.fileno()).st_size - start - _BEYOND) // BLOCK
    if whole * BLOCK >= LARGE and beside.worth_it():
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
    told = 0

    def work(number: int) -> bytes:
        found = _block(descriptor, sift, start, number)
        return _HEAD.pack(found.lines, found.long) + b"".join(found.useful)

    with closing(beside.done(work, whole)) as done:
        for said in done:
            if time.monotonic() > until:
                raise OutOfTime
            count, long = _HEAD.unpack_from(said)
            useful = [line + b"\n" for line in said[_HEAD.size :].split(b"\n")[:-1]]
            yield Sifted(count, BLOCK, long, useful)
            told += 1
    return told


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
