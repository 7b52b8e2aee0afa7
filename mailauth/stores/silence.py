"""A server that falls silent in the middle: its connection is ended, as if it had gone away.

The client libraries have no limit for that, or one that a byte now and then puts off; and what is being
changed hears no signal.
"""

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from mailauth.overdue import overdue


def ending(seconds: float, descriptor: Callable[[], int]) -> AbstractContextManager[None]:
    """End that connection where what is done over it takes longer: the library then says that it broke.

    ``descriptor``: its socket's, asked for when it is late.
    """
    return overdue(seconds, lambda: _end(descriptor))


def _end(descriptor: Callable[[], int]) -> None:
    with suppress(Exception), socket.socket(fileno=os.dup(descriptor())) as link:  # it may be closed by now
        link.shutdown(socket.SHUT_RDWR)
