"""Failures of a user, of an address, and of a user from an address, as they are counted.  Pure."""

import math
from collections.abc import Callable, Hashable
from dataclasses import field
from datetime import datetime
from typing import TypeVar

from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages import Why
from mailauth.records import dataclass

MOST_OTHERS = 200  # different users of an address, and addresses of a user, counted one by one
STALE_FROM = 5  # failures before a pattern is told
SAME = 0.9  # of the given passwords that are one and the same
_MOST_WORDS = 8
_STEADY = 0.35  # standard deviation of the intervals, by their mean
_TELLING = 3  # given passwords that must be known
_PAUSE = 5.0  # seconds that end a run
# A database's clients that all lose it write a burst and then nothing; 20 lines of 100 bytes a second are
# 170 MB a day.
_FLOOD_LINES, _FLOOD_RATE, _FLOOD_SECONDS = 200, 20.0, 2.0


@dataclass(slots=True)
class Run:
    """Lines that came without a pause, of which the last ones count."""

    count: int = 0
    size: int = 0  # bytes
    first: datetime | None = None
    last: datetime | None = None

    def add(self, when: datetime | None, size: int) -> None:
        if when is None:
            return
        if self.last is not None and (when - self.last).total_seconds() > _PAUSE:
            self.count, self.size, self.first = 0, 0, None
        self.first = self.first or when
        self.last = when
        self.count += 1
        self.size += size

    @property
    def seconds(self) -> float:
        """From the first to the last; the log's clock has seconds."""
        return (self.last - self.first).total_seconds() if self.first and self.last else 0.0

    @property
    def rate(self) -> float:
        """Lines a second; 0 of one line only."""
        return self.count / max(1.0, self.seconds) if self.count > 1 else 0.0

    @property
    def bytes_rate(self) -> float:
        """Bytes a second."""
        return self.size / max(1.0, self.seconds) if self.count > 1 else 0.0

    @property
    def floods(self) -> bool:
        """Whether they come as fast as no cause needs that pauses before it tries again."""
        return self.count >= _FLOOD_LINES and self.rate >= _FLOOD_RATE and self.seconds >= _FLOOD_SECONDS


@dataclass(slots=True)
class Tally:
    """Failures, and when."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, event: LogEvent, times: int) -> None:
        self.count += times
        if event.when is not None:
            self.first = self.first or event.when
            self.last = event.when


@dataclass(slots=True)
class Group(Tally):
    """The failures of a user, or of an address; ``others``: its addresses, or its users."""

    reasons: dict[str, int] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)

    def forget(self, reason: str, times: int) -> None:
        """That many were no failures."""
        left = self.reasons.get(reason, 0) - times
        if left > 0:
            self.reasons[reason] = left
        else:
            self.reasons.pop(reason, None)

    def sort(self, event: LogEvent, times: int, other: str) -> None:
        self.add(event, times)
        reasons = self.reasons
        if event.reason in reasons or len(reasons) < _MOST_WORDS:
            reasons[event.reason] = reasons.get(event.reason, 0) + times
        if len(self.others) < MOST_OTHERS:
            self.others.add(other)

    @property
    def reason(self) -> str:
        """The most frequent one."""
        return max(self.reasons, key=lambda one: self.reasons[one], default="")


@dataclass(slots=True)
class Pair(Tally):
    """One user from one address: its intervals, and how many passwords it gave."""

    user: str = ""
    ip: str = ""
    gaps: int = 0
    gap_sum: float = 0.0
    gap_squares: float = 0.0
    given: dict[int, int] | None = None  # made late: most pairs have none
    size: int = 0  # bytes of the log lines
    whys: dict[Why, int] | None = None  # made late, too
    works: datetime | None = None  # the first login that worked after the last failure
    before: datetime | None = None  # the same before that failure
    unproven: int = 0  # where a later passdb may have let the client in, and Dovecot logs no end

    def measure(self, event: LogEvent) -> None:
        """The interval since the last one, before it is added."""
        if self.last is not None and event.when is not None:
            gap = (event.when - self.last).total_seconds()
            self.gaps += 1
            self.gap_sum += gap
            self.gap_squares += gap * gap
        number = event.given
        if number is not None:
            given = self.given = self.given or {}
            if number in given or len(given) < _MOST_WORDS:
                given[number] = given.get(number, 0) + 1

    def tell(self, event: LogEvent, times: int) -> None:
        """What kind of failure it was; less than none takes back."""
        whys = self.whys = self.whys or {}
        whys[event.why] = whys.get(event.why, 0) + times

    @property
    def why(self) -> Why:
        """What kind of failure it mostly is."""
        whys = self.whys or {}
        return max(whys, key=lambda one: whys[one], default=Why.NOT_TOLD)

    @property
    def interval(self) -> float:
        """The mean interval in seconds."""
        return self.gap_sum / self.gaps if self.gaps else 0.0

    @property
    def steady(self) -> bool:
        """The intervals are about the same: a program, not a person."""
        if self.gaps < STALE_FROM - 1:
            return False
        mean = self.interval
        variance = max(0.0, self.gap_squares / self.gaps - mean * mean)
        # The log's clock has seconds: one more or less says nothing.
        return math.sqrt(variance) <= max(_STEADY * mean, 0.75)

    @property
    def same_password(self) -> bool | None:
        """Whether it gives one password all the time; None where the log does not tell."""
        told = sum((self.given or {}).values())
        if not self.given or told < _TELLING:
            return None
        return max(self.given.values()) >= SAME * told


@dataclass(frozen=True, slots=True)
class Unserved:
    """A login that failed by an error of the server's own, whose user has not logged in since."""

    user: str
    words: str
    says: str
    when: datetime | None
    session: str = ""


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Tally)


def get(table: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """The tally of that name, made if there is none."""
    found = table.get(key)
    if found is None:
        found = table[key] = make()
    return found


def take_one(table: dict[K, V], key: K) -> None:
    """One failure less; a tally of none goes."""
    if (tally := table.get(key)) is not None:
        tally.count -= 1
        if tally.count <= 0:
            del table[key]


def forget(table: dict[K, V]) -> int:
    """Keep the half that fails most; how many failures are not counted any more."""
    ranked = sorted(table, key=lambda key: table[key].count)
    lost = 0
    for key in ranked[: len(ranked) // 2]:
        lost += table.pop(key).count
    return lost
