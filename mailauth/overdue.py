"""What is done where something takes too long: from a thread, since who waits for a disk hears no signal."""

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
