"""How far rehashing on login is: what the stores hold now, and what the service has counted."""

import datetime as dt
from collections import Counter
from pathlib import Path

import msgspec

from mailauth import private
from mailauth.dovecot.site import read_config
from mailauth.migrate.goal import Goal, reached
from mailauth.migrate.onlogin import OnLogin, dovecot_of
from mailauth.migrate.rehash import Rehashed
from mailauth.migrate.tally import Hour, OutcomeCounts
from mailauth.probes.survey import Ask, observe_surveys
from mailauth.records import dataclass
from mailauth.stores.rows import HashClass

_DAYS = 7  # of which the rate is taken


@dataclass(frozen=True, slots=True)
class Left:
    """Rows that are still to be migrated, of one kind, and some of their users."""

    shown: str
    rows: int
    users: tuple[str, ...]
    damage: str  # why no login can ever migrate them, or ""


@dataclass(frozen=True, slots=True)
class Day:
    """How many users were migrated on one day (UTC)."""

    date: str
    migrated: int


@dataclass(frozen=True, slots=True)
class OnLoginProgress:
    """The state of a migration on login.  ``days_left`` is None where nothing can be said.

    ``counted``: when the rows were counted (UTC); "" for never, and then ``users`` is 0.  ``left``: who is
    not there yet, only where the rows were counted just now.
    """

    goal: str
    counted: str
    users: int
    reached: int
    left: tuple[Left, ...]
    days: tuple[Day, ...]
    totals: dict[str, int]
    per_day: float
    days_left: float | None
    not_read: tuple[str, ...]


class Counted(msgspec.Struct, frozen=True):
    """What the rows came to, when they were counted last; ``migrated``: what the tally had then."""

    at: float
    users: int
    reached: int
    migrated: int


def by_counters(settings: OnLogin, tally: OutcomeCounts, kept: Path) -> OnLoginProgress:
    """From the counters alone, in a time that does not grow with the rows.  ``kept``: ``to_keep``'s."""
    try:
        last = msgspec.json.decode(private.read(kept), type=Counted)
    except (OSError, msgspec.DecodeError):
        last = Counted(0.0, 0, 0, 0)
    hours = tally.hours()
    days = _days(hours)
    there = min(last.users, last.reached + _migrated(hours) - last.migrated)
    rate, left = _rate(days, None), last.users - there
    return OnLoginProgress(
        goal=settings.scheme,
        counted=f"{dt.datetime.fromtimestamp(last.at, dt.UTC):%Y-%m-%d %H:%M}" if last.at else "",
        users=last.users,
        reached=there,
        left=(),
        days=days,
        totals=_totals(hours),
        per_day=rate,
        days_left=left / rate if rate else 0.0 if last.at and not left else None,
        not_read=(),
    )


def _migrated(hours: list[Hour]) -> int:
    return sum(hour.count for hour in hours if hour.outcome is Rehashed.MIGRATED)


def to_keep(found: OnLoginProgress) -> bytes:
    """What ``by_counters`` needs of a progress that was counted just now."""
    at = dt.datetime.now(dt.UTC).timestamp()
    migrated = found.totals.get(Rehashed.MIGRATED.value, 0)
    return msgspec.json.encode(Counted(at, found.users, found.reached, migrated))


def by_rows(settings: OnLogin, tally: OutcomeCounts, now: float | None = None) -> OnLoginProgress:
    """Count the stores, too.  Raises UsageError, CannotObserve when no store can be read."""
    dovecot = dovecot_of(settings)
    seen = observe_surveys(Ask(dovecot, read_config(dovecot)))
    # What the system's accounts have is changed by passwd(1).
    stores = [one for one in seen.stores if one.passdb.has_rows]
    classes = [one for store in stores for one in store.survey.classes]
    users = sum(one.rows for one in classes)
    waiting = [one for one in classes if not _there(one, settings.goal)]
    there = users - sum(one.rows for one in waiting)
    hours = tally.hours()
    days = _days(hours)
    rate = _rate(days, now)
    can = sum(one.rows for one in waiting if one.damage is None)
    at = now or dt.datetime.now(dt.UTC).timestamp()
    return OnLoginProgress(
        goal=settings.scheme,
        counted=f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M}",
        users=users,
        reached=there,
        left=tuple(
            Left(one.shown, one.rows, one.users, one.damage.detail if one.damage else "") for one in waiting
        ),
        days=days,
        totals=_totals(hours),
        per_day=rate,
        days_left=can / rate if rate else 0.0 if not can else None,
        not_read=seen.unasked,
    )


def _there(one: HashClass, goal: Goal) -> bool:
    parsed = one.hash
    return one.damage is None and parsed is not None and reached(parsed, goal)


def _days(hours: list[Hour]) -> tuple[Day, ...]:
    found: Counter[str] = Counter()
    for hour in hours:
        if hour.outcome is Rehashed.MIGRATED:
            found[_date(hour.at)] += hour.count
    return tuple(Day(date, count) for date, count in sorted(found.items()))


def _rate(days: tuple[Day, ...], now: float | None) -> float:
    """Users a day, over the last days since it began."""
    if not days:
        return 0.0
    today = dt.datetime.fromtimestamp(now, dt.UTC) if now else dt.datetime.now(dt.UTC)
    first = dt.date.fromisoformat(days[0].date)
    span = min(_DAYS, (today.date() - first).days + 1)
    since = str(today.date() - dt.timedelta(days=span - 1))
    return sum(day.migrated for day in days if day.date >= since) / span


def _totals(hours: list[Hour]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for hour in hours:
        found[hour.outcome.value] += hour.count
    return dict(found.most_common())


def _date(at: int) -> str:
    return str(dt.datetime.fromtimestamp(at, dt.UTC).date())
