"""``python -m tests.cli.shifted SECONDS WORDS ...``: mailauth with a clock that is so many seconds off.

Python's time of day is that of a machine with such a clock.  What measures how long something takes does not
change, nor do the stamps of files and other programs' clocks.  (A preloaded libfaketime 0.9.10 would shift
those, too, but sleep() and waits with a limit end at wrong times under it.)
"""

import datetime as dt
import sys
import time

SECONDS = float(sys.argv.pop(1))
_REAL = time.time
_REAL_NS = time.time_ns
_REAL_GMTIME, _REAL_LOCALTIME, _REAL_STRFTIME = time.gmtime, time.localtime, time.strftime


def now() -> float:
    return _REAL() + SECONDS


class Datetime(dt.datetime):
    """``now()`` and ``today()`` by the shifted clock."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> "Datetime":
        return cls.fromtimestamp(now(), tz)

    @classmethod
    def today(cls) -> "Datetime":
        return cls.fromtimestamp(now())


class Date(dt.date):
    """``today()`` by the shifted clock."""

    @classmethod
    def today(cls) -> "Date":
        return cls.fromtimestamp(now())


def _gmtime(seconds: float | None = None) -> time.struct_time:
    return _REAL_GMTIME(now() if seconds is None else seconds)


def _localtime(seconds: float | None = None) -> time.struct_time:
    return _REAL_LOCALTIME(now() if seconds is None else seconds)


def _strftime(form: str, when: time.struct_time | None = None) -> str:
    return _REAL_STRFTIME(form, when or _localtime())


def shift() -> None:
    time.time, time.time_ns = now, lambda: _REAL_NS() + int(SECONDS * 1e9)
    time.gmtime, time.localtime, time.strftime = _gmtime, _localtime, _strftime  # type: ignore[assignment]
    dt.datetime, dt.date = Datetime, Date  # type: ignore[misc]


if __name__ == "__main__":
    shift()
    from mailauth.__main__ import main

    main()
