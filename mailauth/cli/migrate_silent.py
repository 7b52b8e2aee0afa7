"""How long a migration waits for a store that takes the connection and then says nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from mailauth import overdue
from mailauth.errors import CannotObserve
from mailauth.stores.database import LONG

_MOST = LONG + 30.0  # seconds: no driver lets a statement take longer than the first


@contextmanager
def answering() -> Iterator[None]:
    """For what is asked before anything is changed.  Raises CannotObserve.  In the main thread only."""
    silent = CannotObserve(
        f"the store has not answered within {_MOST:.0f} s, and this run changed nothing; see what listens"
        " there or holds its lock."
    )
    with overdue.ended(_MOST, silent, gives_up=True):
        yield
