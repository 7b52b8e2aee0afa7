"""How fast rows are changed: no more than so many a second, or as the store's own latency lets us."""

import time
from collections.abc import Callable
from dataclasses import field

from mailauth.records import dataclass

_FIRST = 200.0  # rows a second, to begin with
_LEAST = 5.0
_FASTER, _SLOWER = 1.25, 0.5  # times, after an answer that was quick, or slow
_SLOW = 2.0  # times the quickest answer
_NOISE = 0.002  # seconds that an answer may take longer all the same
_FORGET = 1.02  # the quickest answer is believed a little less each time: a busy day is no fault
_LOOK = 0.2  # seconds between two looks whether it shall stop


@dataclass(slots=True)
class Pace:
    """``rate``: rows changed a second at most.  ``auto``: it follows how long one row's answer takes."""

    rate: float
    auto: bool = False
    _began: float | None = None
    _before: int = 0  # rows that were changed when it waited last
    _best: float = field(default=0.0)
    _last: float = 0.0  # seconds

    def __str__(self) -> str:
        """As the option is written."""
        return "auto" if self.auto else f"{self.rate:.15g}"

    def probe(self, ask: Callable[[], object]) -> None:
        """Measure an answer of the store."""
        began = time.monotonic()
        ask()
        self._last = time.monotonic() - began
        if self.auto:
            self.answered(self._last)

    def says(self) -> str:
        """How the store bears it: how long one row's answer took last; "" before the first."""
        if not self._last:
            return ""
        limit = f", so at most {self.rate:.0f} rows/s" if self.auto else ""
        return f"the store answers in {self._last * 1000:.1f} ms{limit}"

    def answered(self, seconds: float) -> None:
        """An answer that took so long, in seconds: the rate follows it."""
        self._best = min(seconds, self._best * _FORGET) if self._best else seconds
        slow = seconds > self._best * _SLOW + _NOISE
        self.rate = max(_LEAST, self.rate * (_SLOWER if slow else _FASTER))

    def wait(self, written: int, stopped: Callable[[], bool]) -> None:
        """Until so many rows may have been changed."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        ahead = (written - self._before) / self.rate - (now - self._began)
        while ahead > 0 and not stopped():
            time.sleep(min(ahead, _LOOK))
            ahead -= _LOOK
        if self.auto:  # the rate is another one now
            self._began, self._before = time.monotonic(), written


def auto() -> Pace:
    """As fast as the store lets us."""
    return Pace(_FIRST, auto=True)
