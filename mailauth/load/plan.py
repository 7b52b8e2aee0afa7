"""What a load shall be."""

from dataclasses import field
from pathlib import Path

from mailauth import loopback
from mailauth.clients.listening import us
from mailauth.records import dataclass


@dataclass(frozen=True, slots=True)
class Stops:
    """When to end before the time is over; None: never for that.

    ``failures``: so many failed, lost or unsent.  ``p95``: seconds, over one second with 20 answers or more.
    ``errors``: this share of all that was sent, from 20 on.  ``refusal``: at the first refused password.
    """

    failures: int | None = None
    p95: float | None = None
    errors: float | None = None
    refusal: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The rates to look among: from ``first`` on, up to ``most``, a second.

    ``near``: done when a rate that held and one that did not are so near.  ``seconds``: how long one is
    tried; ``sure``: the best one holds for so many times that.  ``tries``: of one that does not hold.
    """

    seconds: float
    first: float = 4.0
    most: float = 100_000.0
    near: float = 1.04
    sure: float = 2.0
    tries: int = 3


@dataclass(frozen=True, slots=True)
class Search:
    """How to look for the knee: ``limit``: seconds that the p95 may be."""

    limit: float
    span: Span


@dataclass(frozen=True, slots=True)
class AttackPlan:
    """Wrong passwords beside right logins: ``limit``: seconds that each right login may wait.

    ``in_flight``: wrong passwords that may wait for their answer at one time.  ``timeout``: seconds for that.
    """

    limit: float
    in_flight: int
    timeout: float
    span: Span


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """``rate`` to ``rate_to`` requests a second for ``seconds``; None: as many as may be in flight.

    With ``attack`` these are the right logins, and ``seconds`` is the longest that the search for it takes.
    ``warm_up``: seconds before, at ``rate``.  ``wrong``: the share of wrong passwords.  ``timeout``: seconds
    to wait for an answer.
    """

    rate: float | None
    rate_to: float | None
    seconds: float
    warm_up: float
    wrong: float
    connections: int
    in_flight: int
    timeout: float
    stops: Stops = Stops()
    search: Search | None = None
    attack: AttackPlan | None = None

    @property
    def mode(self) -> str:
        if self.search or self.attack:
            return "knee" if self.search else "attack"
        if self.rate is None:
            return "max"
        return "rate" if self.rate == self.rate_to else "ramp"

    @property
    def to_the_limit(self) -> bool:
        """Whether it looks for what the server does not hold, and no rate was named."""
        return self.mode in ("knee", "max", "attack")


@dataclass(frozen=True, slots=True)
class AuthTarget:
    """An auth-client socket; ``ours``: whose process may take passwords there."""

    path: Path
    ours: frozenset[int] = field(default_factory=us)


@dataclass(frozen=True, slots=True)
class ImapTarget:
    """``tls``: from the first byte on; ``ours``: as above, on this machine."""

    host: str
    port: int
    tls: bool
    ours: frozenset[int] = field(default_factory=us)


Target = AuthTarget | ImapTarget


def on_this_machine(target: Target) -> bool:
    """Whether it is a Unix socket or a loopback address."""
    return isinstance(target, AuthTarget) or loopback.is_here(target.host)
