"""One load from its beginning to its result."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from mailauth.load.attack import Attackers, stood
from mailauth.load.drive import DURATION, INTERRUPTED, Session
from mailauth.load.knee import search
from mailauth.load.plan import LoadPlan
from mailauth.load.pool import Pool, now
from mailauth.load.result import Attack, Knee, LoadResult, Sample
from mailauth.load.schedule import Always, Ramp, Schedule, fixed
from mailauth.load.tally import LoadTally
from mailauth.load.users import Mix
from mailauth.load.watch import Watch
from mailauth.records import dataclass

Show = Callable[[str, Sample, LoadTally], None]
"""Called each second with what is being done ("warm-up", "load", "41.2/s") and how it goes."""


@dataclass(frozen=True, slots=True)
class About:
    """What the result says of the server.  ``lab``: what the lab is, "" where it is none."""

    way: str
    target: str
    dovecot: str = ""
    lab: str = ""
    notes: tuple[str, ...] = ()


def load(
    plan: LoadPlan,
    about: About,
    make_pool: Callable[[], Pool],
    mix: Mix,
    watch: Watch,
    show: Show = lambda _what, _sample, _tally: None,
    tally: LoadTally | None = None,
    attackers: Attackers | None = None,
) -> LoadResult:
    """Do it.  ``tally``: counts what is measured, in place of one made here; not for a knee or an attack.

    ``attackers``: for a plan with an attack.

    SIGINT and SIGTERM stop it: what is in flight is waited for, and a second one counts that as lost.
    Raises CannotObserve when the server cannot be reached at the beginning.
    """
    return asyncio.run(_load(plan, about, make_pool, mix, watch, show, tally, attackers))


async def _load(
    plan: LoadPlan,
    about: About,
    make_pool: Callable[[], Pool],
    mix: Mix,
    watch: Watch,
    show: Show,
    given: LoadTally | None,
    attackers: Attackers | None,
) -> LoadResult:
    pool = make_pool()
    await pool.open()
    phase = "warm-up"
    began, stamp, busy = now(), datetime.now(UTC), time.process_time()
    session = Session(
        pool, mix, watch, plan.stops, lambda sample, tally: show(phase, sample, tally), began=began
    )

    def tell(what: str) -> None:
        nonlocal phase
        phase = what

    warm, tally, knee, attack = session.tally(), given or session.tally(), None, None
    with _stopping(session):
        try:
            if plan.warm_up:
                await session.drive(_schedule(plan, plan.warm_up, warm=True), warm)
            start, busy = now(), time.process_time()
            if plan.search:
                tally, knee = await search(session, plan.search, tell)
                took, busy = now() - start, knee.generator
            elif plan.attack and attackers:
                until, rate = start + plan.seconds, plan.rate or 1.0
                tally, attack = await stood(session, rate, until, attackers, plan.attack, tell)
                took, busy = now() - start, attack.generator
            else:
                tell("load")
                took = 0.0 if session.ended else await session.drive(_schedule(plan, plan.seconds), tally)
                busy = (time.process_time() - busy) / took if took else 0.0
                await session.settle(tally)
            watch.look()  # at what came since the last sample, or without one
        finally:
            await pool.close()
    return _result(plan, about, session, (warm, tally), (stamp, took, start), busy, knee or attack)


def _result(
    plan: LoadPlan,
    about: About,
    session: Session,
    tallies: tuple[LoadTally, LoadTally],
    times: tuple[datetime, float, float],
    generator: float,
    found: Knee | Attack | None,
) -> LoadResult:
    warm, tally = tallies
    stamp, took, start = times
    answering = max(tally.last - start, took) if tally.last else took
    most = session.watch.most
    return LoadResult(
        way=about.way,
        target=about.target,
        dovecot=about.dovecot,
        lab=about.lab,
        mode=plan.mode,
        began=stamp.isoformat(timespec="seconds"),
        rate=None if plan.search else plan.rate,
        rate_to=None if plan.search else plan.rate_to,
        seconds=round(took, 3),
        warm_up=plan.warm_up,
        connections=plan.connections,
        in_flight=plan.in_flight,
        users=len(session.mix.accounts),
        wrong=plan.wrong,
        ended=session.ended or DURATION,
        counts=tally.counts(),
        warm_up_counts=warm.counts(),
        answered=round(tally.answered / answering, 3) if answering else 0.0,
        latency=tally.right.latency(),
        latency_wrong=tally.wrong.latency(),
        lag=tally.lag.latency(),
        generator=round(generator, 4),
        cores=len(os.sched_getaffinity(0)),
        workers_most=most.workers,
        rss_most=most.rss,
        queued=most.queued,
        samples=session.samples,
        knee=found if isinstance(found, Knee) else None,
        attack=found if isinstance(found, Attack) else None,
        notes=[*about.notes, *_late(session.pool.late)],
    )


def _late(answers: int) -> list[str]:
    if not answers:
        return []
    return [f"{answers} answers came after --timeout: counted as lost here, and as finished by Dovecot."]


def _schedule(plan: LoadPlan, seconds: float, *, warm: bool = False) -> Schedule:
    if plan.search:
        return fixed(plan.search.span.first, seconds)
    if plan.rate is None or plan.rate_to is None:
        return Always(seconds)
    return fixed(plan.rate, seconds) if warm else Ramp(plan.rate, plan.rate_to, seconds)


@contextmanager
def _stopping(session: Session) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if session.ended == INTERRUPTED:
            session.pool.give_up(float("inf"), "interrupted")
        session.ended = INTERRUPTED
        session.stop(INTERRUPTED)

    for kind in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(kind, heard)
    try:
        yield
    finally:
        for kind in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(kind)
