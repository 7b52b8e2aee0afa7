"""Look for the highest rate that holds.

Rates are doubled until one does not hold, then halved in between until a rate that held and one that did not
are close; the best one must hold once more, for longer, else it did not hold, and the search goes on below
it.  One that was not held is tried again, since other work on the machine can spoil a second.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable

from mailauth.load.plan import Span

_LOWEST = 4  # of the first rate, where nothing holds
_PAUSE = 1.0  # seconds before another: what spoilt the one before may be over

Holds = Callable[[float, float], Awaitable[bool]]
"""Whether a rate (a second) holds for so many seconds."""


async def highest(holds: Holds, span: Span, ended: Callable[[], bool]) -> tuple[float, float | None, bool]:
    """The highest rate that holds (0: none), the lowest that does not (None: all do), and whether it is sure.

    It is not sure where the search ``ended`` before.
    """
    seeker = _Seeker(holds, span, ended)
    rate, sure = span.first, False
    while not ended() and not sure and rate >= span.first / _LOWEST:
        if seeker.is_near():
            sure = await seeker.confirmed()
        else:
            await seeker.tries(rate)
        rate = seeker.next(rate)
    return seeker.low, None if seeker.high == math.inf else seeker.high, sure or not ended()


class _Seeker:
    """``low`` held, ``high`` did not."""

    def __init__(self, holds: Holds, span: Span, ended: Callable[[], bool]) -> None:
        self._holds, self._span, self._ended = holds, span, ended
        self._held: dict[float, bool] = {}
        self.low, self.high = 0.0, math.inf

    def is_near(self) -> bool:
        span = self._span
        return bool(self.low) and (self.high <= span.near * self.low or self.low == span.most)

    async def tries(self, rate: float) -> None:
        if await self._tried(rate, self._span.seconds):
            self.low = rate
        elif not self._ended():
            self.high = rate

    async def confirmed(self) -> bool:
        """Whether the best one holds for longer; if not, the best is a lower one that held at last."""
        if await self._tried(self.low, self._span.sure * self._span.seconds):
            return True
        if not self._ended():
            lower = (one for one, held in self._held.items() if held and one < self.low)
            self.high, self.low = self.low, max(lower, default=0.0)
        return False

    def next(self, rate: float) -> float:
        if self.high == math.inf:
            return min(rate * 2, self._span.most)
        return math.sqrt(self.low * self.high) if self.low else self.high / 2

    async def _tried(self, rate: float, seconds: float) -> bool:
        for attempt in range(self._span.tries):
            if attempt:
                await asyncio.sleep(_PAUSE)
            if self._ended():
                return False
            self._held[rate] = await self._holds(rate, seconds)
            if self._held[rate]:
                return True
        return False
