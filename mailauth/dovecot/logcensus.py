"""Counts what a log tells of failed logins: per user, per address, per pair; bounded memory.  Pure."""

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TypeVar

from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages import LogKind

_MOST_KEYS = 20_000  # users, addresses and pairs kept: some 30 MiB
_MOST_SESSIONS = 4096
MOST_OTHERS = 200  # different users of an address, and addresses of a user, counted one by one
_MOST_WORDS = 8
STALE_FROM = 5  # failures before a pattern is told
SPRAY_FROM = 5  # names from one address
MANY_FROM = 10  # addresses for one name
_STEADY = 0.35  # standard deviation of the intervals, by their mean
_MOST = 0.8  # of a user's failures that come from one address
_SAME = 0.9  # of the given passwords that are one and the same
_TELLING = 3  # given passwords that must be known
_GUESSES = 4  # different passwords from one address


class Pattern(Enum):
    """What a series of failures looks like."""

    STALE = "a client with an old password"
    STEADY = "a client that retries by itself"
    GUESSING = "guessing from one address"
    SPRAYING = "guessing many names"
    SPREAD = "guessing from many addresses"
    UNCLEAR = "unclear"


_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V", bound="Tally")


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
        return max(self.given.values()) >= _SAME * told


@dataclass(slots=True)
class Trouble:
    """What Dovecot says of itself: how often, when, and the last one's words."""

    kind: LogKind
    service: str
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    text: str = ""


_TROUBLES = frozenset(
    {LogKind.QUEUED, LogKind.LIMIT, LogKind.CRASHED, LogKind.ABORTED, LogKind.NOT_RESPONDING}
)


@dataclass(slots=True)
class Census:
    """Everything counted.  ``forgotten``: failures of users too many to keep."""

    users: dict[str, Group] = field(default_factory=dict)
    addresses: dict[str, Group] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)
    troubles: dict[tuple[LogKind, str, str], Trouble] = field(default_factory=dict)
    failures: int = 0
    unexplained: int = 0
    logins: int = 0
    lines: int = 0
    size: int = 0  # bytes of the lines that tell of failures
    forgotten: int = 0
    first: datetime | None = None
    last: datetime | None = None
    _sessions: OrderedDict[str, list[tuple[str, str]]] = field(default_factory=OrderedDict)

    def add(self, event: LogEvent, size: int = 0) -> None:
        self.lines += 1
        if event.when is not None:
            self.first = self.first or event.when
            self.last = event.when
        if event.kind is LogKind.FAILED:
            if not event.goes_on:
                self._fail(event, 1, size)
        elif event.kind is LogKind.LOGIN_FAILED:
            self._leave(event, size)
        elif event.kind is LogKind.LOGGED_IN:
            self.logins += 1
            self._forgive(event)
        elif event.kind in _TROUBLES:
            self._note(event)

    def _fail(self, event: LogEvent, times: int, size: int) -> None:
        self.failures += times
        key = (event.user, event.ip)
        _get(self.users, event.user, Group).sort(event, times, event.ip)
        _get(self.addresses, event.ip, Group).sort(event, times, event.user)
        pair = self.pairs.get(key)
        if pair is None:
            pair = self.pairs[key] = Pair(user=event.user, ip=event.ip)
        pair.measure(event)
        pair.add(event, times)
        pair.size += size
        self.size += size
        if len(self.pairs) > _MOST_KEYS:
            _forget(self.pairs)
        if len(self.users) > _MOST_KEYS:
            self.forgotten += _forget(self.users)
        if len(self.addresses) > _MOST_KEYS:
            _forget(self.addresses)
        if event.session:
            self._sessions.setdefault(event.session, []).append(key)
            if len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)

    def _leave(self, event: LogEvent, size: int) -> None:
        """The login process counts attempts: those that auth has not told of are new."""
        told = self._sessions.pop(event.session, [])
        if told and (pair := self.pairs.get(told[-1])):
            pair.size += size
            self.size += size
        if (more := event.attempts - len(told)) > 0 and not told:
            self.unexplained += more
            self._fail(event, more, size)
            self._sessions.pop(event.session, None)

    def _forgive(self, event: LogEvent) -> None:
        """One passdb said no, and a later one let the same session in: that is no failed login."""
        told = self._sessions.pop(event.session, [])
        if not told or told[-1][0].casefold() != event.user.casefold():
            return
        user, ip = told[-1]
        self.failures -= 1
        _take_one(self.users, user)
        _take_one(self.addresses, ip)
        _take_one(self.pairs, (user, ip))

    def _note(self, event: LogEvent) -> None:
        service = service_named(event)
        what = event.reason if event.kind is LogKind.ABORTED else limit_named(event)
        key = (event.kind, service, what)
        if key not in self.troubles and len(self.troubles) >= MOST_OTHERS:
            return
        trouble = self.troubles.setdefault(key, Trouble(event.kind, service))
        trouble.count += 1
        trouble.first = trouble.first or event.when
        trouble.last, trouble.text = event.when, event.text

    # What it looks like

    def pairs_of(self, user: str) -> list[Pair]:
        tally = self.users[user]
        found = [pair for ip in tally.others if (pair := self.pairs.get((user, ip)))]
        return sorted(found, key=lambda pair: -pair.count)

    def pattern(self, user: str) -> Pattern:
        """One client with an old password, or somebody who guesses."""
        tally = self.users[user]
        pairs = self.pairs_of(user)
        if tally.count < STALE_FROM and not any(self.sprays(pair.ip) for pair in pairs[:1]):
            return Pattern.UNCLEAR
        if not pairs:
            return Pattern.SPREAD if len(tally.others) >= MANY_FROM else Pattern.UNCLEAR
        if self.sprays(pairs[0].ip) and (tally.count < STALE_FROM or pairs[0].same_password is not True):
            return Pattern.SPRAYING
        if self.same_everywhere(user):
            return Pattern.STALE  # a telephone changes its address
        if len(tally.others) >= MANY_FROM:
            return Pattern.SPREAD
        most = pairs[0]
        if most.count < _MOST * tally.count:
            return Pattern.UNCLEAR
        if most.same_password:
            return Pattern.STALE
        if len(most.given or ()) >= _GUESSES:
            return Pattern.GUESSING
        return Pattern.STEADY if most.steady and most.same_password is None else Pattern.UNCLEAR

    def same_everywhere(self, user: str) -> bool:
        """The same wrong password from wherever it comes."""
        given: Counter[int] = Counter()
        for pair in self.pairs_of(user):
            given.update(pair.given or {})
        told = sum(given.values())
        if told < max(STALE_FROM, self.users[user].count // 2):
            return False
        return max(given.values()) >= _SAME * told

    def sprays(self, ip: str) -> bool:
        """This address fails with many names."""
        return bool(ip) and ip in self.addresses and len(self.addresses[ip].others) >= SPRAY_FROM

    def top(self, table: dict[_K, _V], most: int) -> list[tuple[_K, _V]]:
        return sorted(table.items(), key=lambda item: -item[1].count)[:most]


def service_named(event: LogEvent) -> str:
    """The service that an event is about."""
    if event.text.startswith("service("):
        return event.text.removeprefix("service(").partition(")")[0]
    if event.kind is LogKind.CRASHED:
        return event.text.partition("service(")[2].partition(")")[0] or event.process
    return "auth-worker" if event.kind in (LogKind.QUEUED, LogKind.ABORTED) else event.process


def limit_named(event: LogEvent) -> str:
    """Of "service(auth): client_limit (5) reached, ..." the limit; of a crash the signal."""
    if event.kind is LogKind.LIMIT:
        return event.text.partition("): ")[2].partition(" ")[0]
    if event.kind is LogKind.CRASHED:
        return event.text.partition("killed with signal ")[2].partition(" ")[0]
    return ""


def count(events: Iterable[tuple[LogEvent, int]]) -> Census:
    """The census of events, each with the size of its line."""
    census = Census()
    for event, size in events:
        census.add(event, size)
    return census


def _get(table: dict[_K, _V], key: _K, make: Callable[[], _V]) -> _V:
    found = table.get(key)
    if found is None:
        found = table[key] = make()
    return found


def _take_one(table: dict[_K, _V], key: _K) -> None:
    if (tally := table.get(key)) is not None:
        tally.count -= 1
        if tally.count <= 0:
            del table[key]


def _forget(table: dict[_K, _V]) -> int:
    """Keep the half that fails most; how many failures are not counted any more."""
    ranked = sorted(table, key=lambda key: table[key].count)
    lost = 0
    for key in ranked[: len(ranked) // 2]:
        lost += table.pop(key).count
    return lost
