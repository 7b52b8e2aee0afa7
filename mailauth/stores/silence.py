"""A server that falls silent in the middle, or sends without end: its connection is ended, as if it had gone.

The client libraries have no limit for that, or one that a byte now and then puts off; and what is being
changed hears no signal.  They keep an answer until it is whole, and read on where no memory is left.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from mailauth import bounded
from mailauth.overdue import overdue

_LOOK = 0.05  # seconds; the fastest server sends 100 MB meanwhile


@contextmanager
def ending(seconds: float, descriptor: Callable[[], int]) -> Iterator[None]:
    """End that connection where what is done over it takes longer: the library then says that it broke.

    ``descriptor``: its socket's, asked for when it is late.  Raises MemoryError where our memory was used up.
    """
    if not bounded.is_bound():
        with overdue(seconds, lambda: _end(descriptor)):
            yield
        return
    done, flooded = Event(), Event()

    def watch() -> None:
        until = time.monotonic() + seconds
        while not done.wait(_LOOK):
            if bounded.used_up():
                flooded.set()
            if flooded.is_set() or time.monotonic() > until:
                _end(descriptor)
                return

    Thread(target=watch, daemon=True).start()
    try:
        yield
    except Exception:
        if flooded.is_set():
            raise MemoryError from None
        raise
    finally:
        done.set()


def _end(descriptor: Callable[[], int]) -> None:
    with suppress(Exception), socket.socket(fileno=os.dup(descriptor())) as link:  # it may be closed by now
        link.shutdown(socket.SHUT_RDWR)
