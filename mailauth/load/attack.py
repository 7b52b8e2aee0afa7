"""How many wrong passwords a second a server stands while users log in.

Right logins at a fixed rate, and beside them wrong passwords at one that grows.  A rate is stood when every
right login of a step was answered within the limit, and none failed or was lost.  A step lasts for as long
as Dovecot holds an attacker's attempts back, and then its own time: before, they do not weigh on the server.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from mailauth.load.drive import DURATION, Session
from mailauth.load.plan import AttackPlan, Stops
from mailauth.load.pool import Pool, now
from mailauth.load.result import Attack, AttackStep, Defence
from mailauth.load.schedule import fixed
from mailauth.load.seek import highest
from mailauth.load.tally import LoadTally
from mailauth.load.users import Mix
from mailauth.load.watch import Blind
from mailauth.records import dataclass

_HELD_BACK = 20.0  # seconds: Dovecot's longest penalty is 15, its auth_failure_delay 2
_WHOLE = 0.95  # of the wrong passwords of a step: fewer is another rate
_LONGEST = 60.0  # seconds of a step
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Attackers:
    """Who sends wrong passwords, from how many addresses (0: the system's choice), against which defences.

    ``same_address``: right logins come from there as well.
    """

    make_pool: Callable[[], Pool]
    mix: Mix
    addresses: int
    same_address: bool
    defences: tuple[Defence, ...]


@asynccontextmanager
async def reached(attackers: Attackers) -> AsyncIterator[Session]:
    """Their session.  Raises CannotObserve."""
    pool = attackers.make_pool()
    await pool.open()
    try:
        yield Session(pool, attackers.mix, Blind(), Stops(), lambda _sample, _tally: None, began=now())
    finally:
        await pool.close()


async def stood(
    right: Session,
    rate: float,
    until: float,
    attackers: Attackers,
    plan: AttackPlan,
    tell: Callable[[str], None],
) -> tuple[LoadTally, Attack]:
    """All right logins, ``rate`` a second, and how it went ``until`` then, by the loop's clock."""
    async with reached(attackers) as wrong:
        hunt = _Hunt(right, wrong, rate, until, plan, tell)
        low, above, found = 0.0, None, False
        if await hunt.is_well():
            low, above, found = await highest(hunt.holds, plan.span, hunt.is_over)
    if hunt.bound:
        low, found = hunt.reached, not hunt.too_slow
    return hunt.all(), Attack(
        rate=low,
        above=above,
        limit=plan.limit,
        found=found,
        bound=hunt.bound,
        generator=round(hunt.shares.get(low, 0.0), 4),
        addresses=attackers.addresses,
        same_address=attackers.same_address,
        defences=list(attackers.defences),
        steps=hunt.steps,
    )


class _Hunt:
    """Steps so far.

    ``bound``: why wrong passwords cannot be sent faster, "" where they can; ``too_slow``: the generator.
    ``reached``: the most that were sent a second, and were stood.
    """

    def __init__(
        self,
        right: Session,
        wrong: Session,
        rate: float,
        until: float,
        plan: AttackPlan,
        tell: Callable[[str], None],
    ) -> None:
        self._right, self._wrong, self._rate, self._until = right, wrong, rate, until
        self._plan, self._tell = plan, tell
        self._held_back = 0.0
        self._tallies: list[LoadTally] = []
        self.steps: list[AttackStep] = []
        self.shares: dict[float, float] = {}
        self.bound = ""
        self.too_slow = False
        self.reached = 0.0

    def all(self) -> LoadTally:
        """The sum of the steps' right logins."""
        whole = self._right.tally()
        for one in self._tallies:
            whole.join(one)
        return whole

    def is_over(self) -> bool:
        """Whether to end: the time is up, somebody ended it, or the attack cannot grow."""
        if now() > self._until:
            self._right.stop(DURATION)
        if self._wrong.ended:
            self._right.stop(self._wrong.ended)
        return bool(self._right.ended or self.bound)

    async def is_well(self) -> bool:
        """Whether right logins are answered in time without an attack."""
        for _ in range(self._plan.span.tries):
            if await self.holds(0.0, self._plan.span.seconds):
                return True
            if self.is_over():
                break
        return False

    async def holds(self, rate: float, seconds: float) -> bool:
        """Whether the server stands it now; 0: no attack."""
        seconds = min(seconds + (self._held_back if rate else 0.0), _LONGEST)
        right, wrong = self._right.tally(self._plan.limit), self._wrong.tally()
        self._tell(f"{rate:.4g} wrong/s" if rate else "no attack")
        busy = time.process_time()
        took = await self._both(rate, seconds, right, wrong)
        share = (time.process_time() - busy) / took if took else 0.0
        cut = took < seconds * 0.99
        await asyncio.gather(self._right.settle(right), self._drained(wrong))
        self._tallies.append(right)
        why = self._why(right, cut=cut) or (self._right.ended if cut else "")
        sent = wrong.sent / took if took else 0.0
        if not why and rate:
            self._held_back = min(max(self._held_back, wrong.wrong.at(100)), _HELD_BACK)
            whole = wrong.sent >= _WHOLE * rate * took
            if not whole:
                self.bound = _crowded(rate, sent, self._wrong.pool.in_flight)
            self.reached = max(self.reached, rate if whole else sent)
            self.shares[rate if whole else sent] = share
        self._keep(rate, sent, took, why, right, wrong)
        return not why

    async def _both(self, rate: float, seconds: float, right: LoadTally, wrong: LoadTally) -> float:
        """Send both; how many seconds the right logins took to be sent."""
        over = False

        def hopeless() -> bool:
            overdue = self._right.pool.waiting_since(now() - self._plan.limit)
            return bool(right.bad or right.slow or overdue) or self.is_over()

        async def logins() -> float:
            nonlocal over
            try:
                return await self._right.drive(fixed(self._rate, seconds), right, hopeless)
            finally:
                over = True

        if not rate:
            return await logins()
        attack = self._wrong.drive(fixed(rate, seconds + _LONGEST), wrong, lambda: over)
        took, _ = await asyncio.gather(logins(), attack)
        wrong.unsent = 0  # they were to be sent for as long as right logins were
        return took

    async def _drained(self, wrong: LoadTally) -> None:
        """No wrong password of this step is in flight any more; where it is over, the rest is lost."""
        settling = asyncio.ensure_future(self._wrong.settle(wrong))
        while not settling.done():
            if self.is_over():
                self._wrong.pool.give_up(float("inf"), "the attack had ended")
            await asyncio.wait({settling}, timeout=_LOOK)
        await settling

    def _why(self, right: LoadTally, *, cut: bool) -> str:
        """What is wrong with the right logins; "" for nothing."""
        late, limit = right.lag.at(100), self._plan.limit
        unsent = 0 if cut else right.unsent  # what was due when the step was cut short
        if late > limit / 2 and (right.slow or right.bad):
            self.too_slow = True
            self.bound = f"the generator sent right logins up to {late:.1f} s late: it is too slow for more"
            return self.bound
        if reasons := right.failed + right.lost + Counter({"unsent": unsent}):
            return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
        return f"a right login waited {right.right.at(100):.1f} s" if right.slow else ""

    def _keep(
        self, rate: float, sent: float, took: float, why: str, right: LoadTally, wrong: LoadTally
    ) -> None:
        self.steps.append(
            AttackStep(
                round(rate, 3),
                round(sent, 3),
                round(took, 3),
                not why,
                why,
                wrong.counts(),
                right.counts(),
                right.right.latency(),
                wrong.wrong.latency(),
            )
        )


def _crowded(rate: float, sent: float, in_flight: int) -> str:
    return (
        f"{rate:.4g}/s were wanted and {sent:.4g}/s were sent, as {in_flight} waited for their answer"
        " (--in-flight)"
    )
