"""What is done where something takes too long: from a thread, since who waits for a disk hears no signal."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer


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
def ended(seconds: float, why: BaseException) -> Iterator[None]:
    """``why`` is raised inside after so many seconds, whoever is waited for.  In the main thread only."""

    def late(_signal: int, _frame: object) -> None:
        raise why

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
