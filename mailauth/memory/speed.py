"""How many verifications a second this machine does: one after another, or on several cores at once."""

from typing import TYPE_CHECKING

from mailauth.hashes import Hash
from mailauth.later import later
from mailauth.memory.measure import Measured, Spread, measure, spread
from mailauth.records import dataclass

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = later("concurrent.futures")  # 10 ms, and only to measure


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one hash: the time one verification takes while ``parallel`` of them run, and how many a second."""

    parallel: int
    time: Spread
    per_second: float  # at the median; what the machine did meanwhile for others is in it


def speed(parsed: Hash, parallel: int, *, seconds: float = 1.0, library: str | None = None) -> Speed:
    """Verify in ``parallel`` processes at once for about ``seconds``.  Raises CannotObserve."""
    seen = together(parsed, parallel, seconds=seconds, library=library)
    took = spread([time for each in seen for time in each.times])
    return Speed(parallel, took, parallel / took.median)


def together(
    parsed: Hash, parallel: int, *, seconds: float = 1.0, library: str | None = None
) -> list[Measured]:
    """What each of ``parallel`` processes saw that verified at the same time.  Raises CannotObserve."""

    def one(_number: int) -> Measured:
        return measure(parsed, runs=10_000, seconds=seconds, bisect=False, library=library)

    with futures.ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(one, range(parallel)))
