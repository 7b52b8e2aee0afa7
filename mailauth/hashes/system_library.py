"""A library of the system's, by ctypes: looked for once, by the names that it has on each system."""

import ctypes
import threading
from collections.abc import Callable


def first_of(
    names: tuple[str, ...], opened: Callable[[str], ctypes.CDLL | None]
) -> Callable[[], ctypes.CDLL | None]:
    """A function that returns the first that ``opened`` takes; None where there is none."""
    lock = threading.Lock()
    found: list[ctypes.CDLL | None] = []

    def load() -> ctypes.CDLL | None:
        with lock:
            if not found:
                found.append(next((lib for lib in map(opened, names) if lib is not None), None))
            return found[0]

    return load
