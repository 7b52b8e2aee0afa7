"""A service's own log: what comes again and again is said some times, and then counted.

Whoever can connect can make a service say something, and must not fill a disk with it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import field

from mailauth.records import dataclass
from mailauth.visible import visible

Say = Callable[[str], None]
_MOST_CHARACTERS = 500


@dataclass(slots=True)
class Repeats:
    """``say`` takes what is said; ``kinds`` are few words of ours, never what came from outside."""

    say: Say
    most: int = 20  # of one kind
    seconds: float = 60.0  # in so long
    _since: dict[str, float] = field(default_factory=dict)
    _count: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, kind: str, text: str) -> None:
        """Say it, or count it."""
        with self._lock:
            now = time.monotonic()
            if now - self._since.get(kind, -self.seconds) >= self.seconds:
                self._tell(kind)
                self._since[kind] = now
            self._count[kind] = self._count.get(kind, 0) + 1
            if self._count[kind] <= self.most:
                self.say(visible(text, _MOST_CHARACTERS))

    def close(self) -> None:
        """Say what is left to be said."""
        with self._lock:
            for kind in list(self._count):
                self._tell(kind)

    def _tell(self, kind: str) -> None:
        more = self._count.pop(kind, 0) - self.most
        if more > 0:
            self.say(f"{more} times more: {kind}")
