"""Work that is done block by block in processes of their own, in turn, and heard here in order.

They are made by whoever asks, and may do no more than it may.
"""

import fcntl
import os
import signal
import struct
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from mailauth.dovecot import confining

_HELPERS = 2
_SIZE = struct.Struct("=Q")
_PIPE = 1024 * 1024


def worth_it() -> bool:
    """Whether there is more than one core for us."""
    return len(os.sched_getaffinity(0)) > 1


def done(work: Callable[[int], bytes], count: int) -> Generator[bytes]:
    """What ``work`` returns for 0, 1, 2, ...: for fewer than ``count`` where a process was ended."""
    with _helpers(work, count) as heard:
        for number in range(count):
            told = heard[number % _HELPERS]
            head = told.read(_SIZE.size)
            if len(head) < _SIZE.size:
                return
            (size,) = _SIZE.unpack(head)
            said = told.read(size)
            if len(said) < size:
                return
            yield said


@contextmanager
def _helpers(work: Callable[[int], bytes], count: int) -> Iterator[list[BinaryIO]]:
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
                    _help(work, range(one, count, _HELPERS), writer)
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


def _help(work: Callable[[int], bytes], numbers: range, writer: int) -> None:
    """In a child, which ends here."""
    try:
        confining.die_with_parent()
        with os.fdopen(writer, "wb", buffering=0) as told:
            for number in numbers:
                found = work(number)
                said = memoryview(_SIZE.pack(len(found)) + found)
                while said:
                    said = said[told.write(said) :]
    finally:
        os._exit(0)
