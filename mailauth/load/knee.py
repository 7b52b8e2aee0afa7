"""The knee: the highest rate that Dovecot holds.

A rate is held when a fixed rate, for as long as a step takes, has a p95 (of right passwords, from when each
was due) within the limit, and nothing failed, was lost or was left unsent.
"""

import time
from collections import Counter
from collections.abc import Callable

from mailauth.load.drive import Session
from mailauth.load.plan import Search
from mailauth.load.pool import now
from mailauth.load.result import Knee, LoadStep
from mailauth.load.schedule import fixed
from mailauth.load.seek import highest
from mailauth.load.tally import LoadTally

_ENOUGH = 40  # requests in a step, at least: the p95 of fewer says little
_LONGEST = 20.0  # seconds of a step
_LATE = 0.05  # of the requests of a step may be over the limit: that is what p95 means


async def search(session: Session, wanted: Search, tell: Callable[[str], None]) -> tuple[LoadTally, Knee]:
    """All that was sent, and the knee."""
    hunt = _Hunt(session, wanted, tell)
    low, above, _ = await highest(hunt.holds, wanted.span, lambda: bool(session.ended))
    return hunt.all(), Knee(low, above, wanted.limit, hunt.shares.get(low, 0.0), hunt.steps)


class _Hunt:
    """Steps so far."""

    def __init__(self, session: Session, wanted: Search, tell: Callable[[str], None]) -> None:
        self._session, self._wanted, self._tell = session, wanted, tell
        self._tallies: list[LoadTally] = []
        self.steps: list[LoadStep] = []
        self.shares: dict[float, float] = {}

    def all(self) -> LoadTally:
        """The sum of the steps' counts and latencies."""
        whole = self._session.tally()
        for one in self._tallies:
            whole.join(one)
        return whole

    async def holds(self, rate: float, seconds: float) -> bool:
        """Whether it holds now, for that long or for 40 requests, up to 20 seconds."""
        seconds = min(max(seconds, _ENOUGH / rate), _LONGEST)
        session, limit = self._session, self._wanted.limit
        tally = session.tally(limit)
        may_be_late = _LATE * rate * seconds
        self._tell(f"{rate:.4g}/s")

        def hopeless() -> bool:
            overdue = session.pool.waiting_since(now() - limit)
            return bool(tally.bad) or tally.slow + overdue > may_be_late

        busy = time.process_time()
        start = now()
        took = await session.drive(fixed(rate, seconds), tally, hopeless)
        busy = (time.process_time() - busy) / took if took else 0.0
        await session.settle(tally)
        self._tallies.append(tally)
        latency = tally.right.latency()
        why = _why(tally, latency.p95, limit, cut=not session.ended and took < seconds * 0.99)
        answering = max(tally.last - start, took)
        self.steps.append(
            LoadStep(
                round(rate, 3),
                round(took, 3),
                not why and not session.ended,
                why or session.ended,
                round(tally.answered / answering, 3) if answering else 0.0,
                tally.counts(),
                latency,
            )
        )
        self.shares[rate] = max(busy, self.shares.get(rate, 0.0))
        return self.steps[-1].held


def _why(tally: LoadTally, p95: float, limit: float, *, cut: bool) -> str:
    unsent = 0 if cut else tally.unsent  # what was due when the step was cut short
    if reasons := tally.failed + tally.lost + Counter({"unsent": unsent}):
        return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    if p95 > limit or cut:
        return f"p95 {p95 * 1000:.0f} ms" + (", and growing" if cut else "")
    return ""
