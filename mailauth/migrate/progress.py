"""How far rehashing on login is: what the stores hold now, and what the service has counted."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.dovecot.site import read_config
from mailauth.migrate.goal import Goal, reached
from mailauth.migrate.onlogin import OnLogin
from mailauth.migrate.rehash import Outcome
from mailauth.migrate.tally import Hour, Tally
from mailauth.probes.survey import Ask, observe_surveys
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
    """The state of a migration on login.  ``days_left`` is None where nothing can be said."""

    goal: str
    users: int
    reached: int
    left: tuple[Left, ...]
    days: tuple[Day, ...]
    totals: dict[str, int]
    per_day: float
    days_left: float | None
    not_read: tuple[str, ...]


def progress(settings: OnLogin, tally: Tally, now: float | None = None) -> OnLoginProgress:
    """Count the stores and the tally.  Raises UsageError, CannotObserve when no store can be read."""
    dovecot = Installation(settings.config, settings.pid)
    if settings.pid is not None:
        at_pid(settings.pid, settings.config)  # raises: another process has its number by now
    seen = observe_surveys(Ask(dovecot, read_config(dovecot)))
    classes = [one for store in seen.stores for one in store.survey.classes]
    users = sum(one.rows for one in classes)
    waiting = [one for one in classes if not _there(one, settings.goal)]
    there = users - sum(one.rows for one in waiting)
    hours = tally.hours()
    days = _days(hours)
    rate = _rate(days, now)
    can = sum(one.rows for one in waiting if one.damage is None)
    return OnLoginProgress(
        goal=settings.scheme,
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
        if hour.outcome is Outcome.MIGRATED:
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
