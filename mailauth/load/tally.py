"""Counts and latencies of a load.  Each request ends in one of Tally's methods, once."""

from collections import Counter

from hdrh.histogram import HdrHistogram

from mailauth.load.result import Counts, Latency

_LEAST, _MOST, _DIGITS = 1, 600_000_000, 3  # microseconds, up to ten minutes; three digits are exact
_REASONS = 30  # different ones to keep apart

WRONG_LET_IN = "a wrong password was let in"
REFUSED = "refused"


class Latencies:
    """Latencies in a table of fixed size, whatever their number: to 0.1 %, from 1 us to 10 minutes."""

    def __init__(self) -> None:
        self._table = HdrHistogram(_LEAST, _MOST, _DIGITS)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._sum += seconds
        self._table.record_value(min(max(int(seconds * 1e6), _LEAST), _MOST))

    @property
    def count(self) -> int:
        return int(self._table.get_total_count())

    def at(self, percentile: float) -> float:
        """Seconds; 0 where nothing was added."""
        return float(self._table.get_value_at_percentile(percentile)) / 1e6 if self.count else 0.0

    def latency(self) -> Latency:
        if not self.count:
            return Latency(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        mean = self._sum / self.count
        return Latency(self.count, mean, self.at(50), self.at(95), self.at(99), self.at(100))

    def join(self, other: "Latencies") -> None:
        """Add all that the other has."""
        self._table.add(other._table)  # noqa: SLF001 - another of our own
        self._sum += other._sum  # noqa: SLF001

    def clear(self) -> None:
        self._table.reset()
        self._sum = 0.0


class LoadTally:
    """What became of the requests of one phase.

    ``window`` takes the latencies of right passwords too, for what is shown each second.  ``limit``: seconds;
    slower answers to right passwords are counted in ``slow``.
    """

    def __init__(self, window: Latencies, limit: float = float("inf")) -> None:
        self.sent = self.unsent = self.ok = self.refused = self.slow = 0
        self.failed: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.right, self.wrong, self.lag = Latencies(), Latencies(), Latencies()
        self.last = 0.0  # when the last answer came, by the loop's clock
        self._window, self._limit = window, limit

    def answer(self, number: int, *, ok: bool, wrong: bool, reason: str, took: float) -> None:  # noqa: ARG002
        """Request ``number`` was answered after ``took`` seconds; ``reason`` is Dovecot's, of a no."""
        if wrong:
            self.wrong.add(took)
            if ok:
                self._add(self.failed, WRONG_LET_IN)
            elif reason == REFUSED:
                self.refused += 1
            else:
                self._add(self.failed, reason)
            return
        self.right.add(took)
        self._window.add(took)
        if took > self._limit:
            self.slow += 1
        if ok:
            self.ok += 1
        else:
            self._add(self.failed, reason)

    def lose(self, number: int, reason: str) -> None:  # noqa: ARG002 - who counts by number overrides this
        """Request ``number`` was sent, and no answer will come, or be heard."""
        self._add(self.lost, reason)

    @property
    def answered(self) -> int:
        return self.ok + self.refused + self.failed.total()

    @property
    def bad(self) -> int:
        return self.failed.total() + self.lost.total() + self.unsent

    def join(self, other: "LoadTally") -> None:
        """Add all that the other counted, but for the window."""
        self.sent += other.sent
        self.unsent += other.unsent
        self.ok += other.ok
        self.refused += other.refused
        self.failed += other.failed
        self.lost += other.lost
        self.last = max(self.last, other.last)
        for ours, theirs in ((self.right, other.right), (self.wrong, other.wrong), (self.lag, other.lag)):
            ours.join(theirs)

    def counts(self) -> Counts:
        return Counts(self.sent, self.ok, self.refused, dict(self.failed), dict(self.lost), self.unsent)

    @staticmethod
    def _add(reasons: Counter[str], reason: str) -> None:
        reasons[reason if reason in reasons or len(reasons) < _REASONS else "other reasons"] += 1
