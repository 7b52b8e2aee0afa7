"""Send what is due, when it is due; look each second how it goes; end when it is time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field

from mailauth.load.plan import Stops
from mailauth.load.pool import Pool, now
from mailauth.load.result import Sample
from mailauth.load.schedule import ALL, Schedule
from mailauth.load.tally import REFUSED, Latencies, LoadTally
from mailauth.load.users import Mix
from mailauth.load.watch import Watch
from mailauth.records import dataclass

DURATION = "the time was up"
INTERRUPTED = "interrupted"
_SECOND = 1.0
_ENOUGH = 20  # answers that a p95 or a share is taken of
_MOST_SAMPLES = 1200
_PAUSE = 0.001  # seconds: requests that are due within it go together
_EARLY = 0.0005  # seconds: epoll waits whole milliseconds, so half of one is given before and after
_CHECK = 0.1


@dataclass(slots=True)
class Session:
    """The state of a load that all its phases share."""

    pool: Pool
    mix: Mix
    watch: Watch
    stops: Stops
    on_sample: Callable[[Sample, LoadTally], None]
    began: float
    window: Latencies = field(default_factory=Latencies)
    samples: list[Sample] = field(default_factory=list)
    ended: str = ""
    _since: tuple[float, int, int, int] = (0.0, 0, 0, 0)  # the last sample, and the counts by then
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, reason: str) -> None:
        """End the load; what is in flight is still waited for."""
        self.ended = self.ended or reason
        self._wake.set()

    def tally(self, limit: float = float("inf")) -> LoadTally:
        return LoadTally(self.window, limit)

    async def drive(
        self, schedule: Schedule, tally: LoadTally, hopeless: Callable[[], bool] | None = None
    ) -> float:
        """Send by the schedule; how many seconds that took.

        ``hopeless`` is asked now and then whether to go on is useless.  Answers may come later:
        see ``settle``.
        """
        pool, mix, wake = self.pool, self.mix, self._wake
        pool.on_room = wake.set
        start = last_check = now()
        number = 0
        self._since = (start, tally.answered, tally.sent, tally.bad)
        looking = asyncio.ensure_future(self._look(tally))
        try:
            while not self.ended:
                if self.stops.refusal and tally.failed[REFUSED]:
                    self.stop("a password was refused, and more would count towards a penalty (--penalties)")
                    break
                moment = now()
                at = moment - start
                if moment - last_check > _CHECK:
                    last_check = moment
                    if self._gone() or (hopeless and hopeless()):
                        break
                behind = schedule.due_by(at + _EARLY) - number
                sending = min(behind, pool.room)
                if sending > 0:
                    numbers = range(number, number + sending)
                    when = (schedule.due(one) + start if behind < ALL else moment for one in numbers)
                    pool.send([(*mix.take(), due) for due in when], tally)
                    number += sending
                if at >= schedule.seconds:
                    break
                wake.clear()
                if sending == behind:
                    coming = min(schedule.due(number), schedule.seconds) - (now() - start)
                    await asyncio.sleep(min(max(coming - _EARLY, _PAUSE), _CHECK))
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CHECK):  # or until there is room
                        await wake.wait()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            if now() - self._since[0] > _SECOND / 2:
                self._sample(tally)
        took = now() - start
        whole = schedule.due_by(took)
        tally.unsent += max(whole - number, 0) if whole < ALL else 0
        return took

    async def settle(self, tally: LoadTally) -> None:
        """Wait for what is in flight, each request as long as it may take; each second a sample."""
        while self.pool.flying and not self.pool.gone:
            self._expire()
            await asyncio.sleep(_PAUSE * 5)
            if now() - self._since[0] > _SECOND:
                self._sample(tally)

    def _gone(self) -> bool:
        if self.pool.gone:
            self.stop(self.pool.gone)
        return bool(self.pool.gone)

    def _expire(self) -> None:
        pool = self.pool
        pool.give_up(now() - pool.timeout, f"no answer within {pool.timeout:g} seconds")

    async def _look(self, tally: LoadTally) -> None:
        """Each second: a sample, and whether it is time to stop."""
        while True:
            await asyncio.sleep(_SECOND)
            self._expire()
            self.pool.renew()
            answers, p95 = self._sample(tally)
            if reason := self._enough(tally, answers, p95):
                self.stop(reason)

    def _sample(self, tally: LoadTally) -> tuple[int, float]:
        """What was since the last one; how many right passwords were answered, and their p95."""
        before, answered, sent, bad = self._since
        moment = now()
        passed = moment - before
        window = self.window.latency()
        seen = self.watch.look()
        sample = Sample(
            at=round(moment - self.began, 3),
            rate=round((tally.sent - sent) / passed, 3),
            answered=round((tally.answered - answered) / passed, 3),
            p50=window.p50,
            p95=window.p95,
            p99=window.p99,
            bad=tally.bad - bad,
            in_flight=self.pool.flying,
            workers=seen.workers,
            rss=seen.rss,
            queued=seen.queued,
        )
        self._since = (moment, tally.answered, tally.sent, tally.bad)
        self.window.clear()
        self._keep(sample)
        self.on_sample(sample, tally)
        return window.count, window.p95

    def _keep(self, sample: Sample) -> None:
        """Bounded: when there are too many samples, two become one."""
        self.samples.append(sample)
        if len(self.samples) >= _MOST_SAMPLES:
            pairs = zip(self.samples[::2], self.samples[1::2], strict=False)
            self.samples = [_merged(one, two) for one, two in pairs]

    def _enough(self, tally: LoadTally, answers: int, p95: float) -> str:
        stops = self.stops
        if stops.failures is not None and tally.bad >= stops.failures:
            return f"{tally.bad} failed or lost (--stop-failures {stops.failures})"
        if stops.p95 is not None and answers >= _ENOUGH and p95 > stops.p95:
            return f"p95 was {p95 * 1000:.0f} ms (--stop-p95 {stops.p95 * 1000:g})"
        if stops.errors is not None and tally.sent >= _ENOUGH and tally.bad > stops.errors * tally.sent:
            return f"{tally.bad / tally.sent:.1%} failed or lost (--stop-errors {stops.errors * 100:g})"
        return ""


def _merged(one: Sample, two: Sample) -> Sample:
    """Rates are averaged; of percentiles, processes and sizes the larger counts."""
    return Sample(
        at=two.at,
        rate=(one.rate + two.rate) / 2,
        answered=(one.answered + two.answered) / 2,
        p50=max(one.p50, two.p50),
        p95=max(one.p95, two.p95),
        p99=max(one.p99, two.p99),
        bad=one.bad + two.bad,
        in_flight=max(one.in_flight, two.in_flight),
        workers=_larger(one.workers, two.workers),
        rss=_larger(one.rss, two.rss),
        queued=_larger(one.queued, two.queued),
    )


def _larger(one: int | None, two: int | None) -> int | None:
    return max(one, two) if one is not None and two is not None else one if two is None else two
