"""Something to see while one long answer is waited for."""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from mailauth.visible import visible

DELAY = 1.5  # seconds that nobody wonders about
_SILENCE = 3.0  # seconds after which a log, too, shall say what is waited for


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


@contextmanager
def naming(limit: float) -> Iterator[Callable[[str], None]]:
    """Yields a function that is told what is asked now: a line on standard error for each that is silent.

    ``limit``: seconds after which all of it ends.  A process of its own writes the lines, and no thread: what
    is asked is asked in forked children.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(writer)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with us
            _name(reader, limit)
        finally:
            os._exit(0)
    os.close(reader)

    def ask(what: str) -> None:
        with suppress(OSError):  # it was ended from outside
            os.write(writer, f"{visible(what)}\n".encode())

    try:
        yield ask
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def _name(reader: int, limit: float) -> None:
    asked = ""
    while True:
        ready, _, _ = select.select([reader], [], [], _SILENCE if asked else None)
        if not ready:
            sys.stderr.write(
                f"mailauth: waiting for {asked}: no answer for {_SILENCE:g} s;"
                f" everything ends within {limit:g} s (--timeout)\n"
            )
            sys.stderr.flush()
            asked = ""
        elif lines := os.read(reader, select.PIPE_BUF).decode(errors="replace").split("\n"):
            if lines == [""]:
                return
            asked = lines[-2] if len(lines) > 1 else lines[-1]
