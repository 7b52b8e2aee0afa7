"""What is done where something takes too long: from a thread, since who waits for a disk hears no signal."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Timer

_DEAF = 5.0  # seconds until who was told does not hear


@contextmanager
def overdue(seconds: float, late: Callable[[], object]) -> Iterator[None]:
    """``late`` is called once if all that is done inside has not ended after so many seconds."""
    clock = Timer(seconds, late)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


@contextmanager
def ended(seconds: float, why: BaseException, *, gives_up: bool = False) -> Iterator[None]:
    """``why`` is raised inside after so many seconds, whoever is waited for.  In the main thread only.

    ``gives_up``: who computes in a library meanwhile hears no signal (libpq, for a server that asks SCRAM for
    two thousand million rounds): then ``why`` is printed, and this process ends with status 3.
    """

    def late(_signal: int, _frame: object) -> None:
        raise why

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with overdue(seconds + _DEAF, lambda: _give_up(why)) if gives_up else nullcontext():
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _give_up(why: BaseException) -> None:
    os.write(2, f"mailauth: {why}\n".encode("utf-8", "backslashreplace"))
    os._exit(3)
