"""What the service has done, counted by the hour, in a small SQLite file that survives it."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from mailauth.migrate.rehash import Rehashed
from mailauth.records import dataclass

_HOUR = 3600
_KEPT = 400 * 24 * _HOUR  # seconds
_WAIT = 30.0  # seconds for another's lock
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS done (hour INTEGER, outcome TEXT, count INTEGER, PRIMARY KEY (hour, outcome))"
    " WITHOUT ROWID"
)


@dataclass(frozen=True, slots=True)
class Hour:
    """How often something came out in the hour that begins at ``at`` (seconds since 1970)."""

    at: int
    outcome: Rehashed
    count: int


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """Counts in a file; each call opens and closes it, so that a kill loses nothing.

    Who writes takes the lock first, and who reads never writes: SQLite waits for a lock only where none is
    held yet, and says "database is locked" at once to two who would both have more than they have.
    """

    path: Path

    def add(self, outcome: Rehashed, count: int = 1, at: float | None = None) -> None:
        hour = int(time.time() if at is None else at) // _HOUR * _HOUR
        with self._open() as base:
            base.execute("BEGIN IMMEDIATE")
            base.execute(_SCHEMA)
            base.execute(
                "INSERT INTO done VALUES (?, ?, ?)"
                " ON CONFLICT (hour, outcome) DO UPDATE SET count = count + excluded.count",
                (hour, outcome.name, count),
            )
            base.execute("DELETE FROM done WHERE hour < ?", (hour - _KEPT,))
            base.execute("COMMIT")

    def hours(self) -> list[Hour]:
        """Everything, the oldest first; nothing when nothing was counted yet."""
        if not self.path.exists():
            return []
        with self._open() as base:
            if not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'done'").fetchone():
                return []
            rows = base.execute("SELECT hour, outcome, count FROM done ORDER BY hour, outcome").fetchall()
        return [Hour(at, Rehashed[name], count) for at, name, count in rows if name in Rehashed.__members__]

    def totals(self) -> dict[Rehashed, int]:
        found = dict.fromkeys(Rehashed, 0)
        for hour in self.hours():
            found[hour.outcome] += hour.count
        return found

    def _open(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None))
