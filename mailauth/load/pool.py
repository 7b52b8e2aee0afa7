"""What both ways in have in common: requests in flight, their answers, and what becomes of the rest."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mailauth.load.tally import LoadTally
from mailauth.records import dataclass

Batch = Sequence[tuple[int, bool, float]]
"""An account's index, whether its password is wrong, and when it was due by the loop's clock."""


class Flying(NamedTuple):
    """A request that was sent and not answered."""

    due: float
    sent: float
    wrong: bool
    number: int
    tally: LoadTally


@dataclass(frozen=True, slots=True)
class Bounds:
    """``in_flight``: unanswered requests at once; ``timeout``: seconds that one waits for its answer.

    ``sources``: the addresses that requests come from, in turn; none: the system's choice.  ``penalties``:
    whether they count towards Dovecot's penalty, where a way can waive it.  ``guessing``: each wrong password
    is another, as guesses are: Dovecot's penalty and cache know one that was sent before.
    """

    in_flight: int
    timeout: float
    sources: Sequence[str] = ()
    penalties: bool = False
    guessing: bool = False


class Pool(ABC):
    """Connections to a server.  ``on_room`` is called when a request is over."""

    def __init__(self, bounds: Bounds) -> None:
        self.in_flight, self.timeout = bounds.in_flight, bounds.timeout
        self.on_room: Callable[[], None] = lambda: None
        self.gone = ""  # why no more can be sent, ever
        self.late = 0  # answers that came after we had given up

    @abstractmethod
    async def open(self) -> None:
        """Raises CannotObserve where there is no such server, or it does not let us in."""

    @abstractmethod
    async def close(self) -> None:
        """End all connections; what is in flight is lost."""

    @property
    @abstractmethod
    def flying(self) -> int:
        """How many are in flight."""

    @property
    @abstractmethod
    def room(self) -> int:
        """How many more may be sent now."""

    @abstractmethod
    def send(self, batch: Batch, tally: LoadTally) -> None:
        """Send no more than ``room`` requests."""

    @abstractmethod
    def waiting_since(self, due: float) -> int:
        """How many in flight were due before then."""

    @abstractmethod
    def give_up(self, before: float, reason: str) -> None:
        """Count as lost what was sent before then."""

    def renew(self) -> None:  # noqa: B027 - a way that connects for each login has nothing to renew
        """Called each second: put new connections in the place of old ones."""


def now() -> float:
    return asyncio.get_running_loop().time()
