"""Something to see while one long answer is waited for."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

DELAY = 1.5  # seconds that nobody wonders about


@contextmanager
def patience(what: str) -> Iterator[None]:
    """What is done, and for how long by now, once that takes a while; on standard error, if a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    over = Event()
    shower = Thread(target=_show, args=(what, over), daemon=True)
    shower.start()
    try:
        yield
    finally:
        over.set()
        shower.join()


def _show(what: str, over: Event) -> None:
    began = time.monotonic()
    if over.wait(DELAY):
        return
    stream = sys.stderr
    while not over.is_set():
        stream.write(f"\r{what}: {time.monotonic() - began:.0f} s")
        stream.flush()
        over.wait(1.0)
    stream.write(f"\r{' ' * (len(what) + 10)}\r")
    stream.flush()
