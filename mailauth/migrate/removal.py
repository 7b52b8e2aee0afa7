"""Remove rows that a move added, where they are still the same; or count them."""

from collections.abc import Sequence
from dataclasses import field

from mailauth.migrate.apply import Report, count, each_of
from mailauth.migrate.journal import Entry
from mailauth.migrate.move import BATCH
from mailauth.migrate.users_out import Each
from mailauth.records import dataclass
from mailauth.stores.adding import Target
from mailauth.stores.swaps import Key, Row, Swap, Swapped


@dataclass(slots=True)
class Removing:
    """One undo of a move."""

    table: Target
    writing: bool  # else they are only counted
    each: Each | None = None  # is told of every row that is there
    report: Report = field(default_factory=Report)
    _cancelled: set[Key] = field(default_factory=set)  # of the batch that comes next: it stands before them

    def batch(self, batch: Sequence[Entry]) -> None:
        self._cancelled |= {one.key for one in batch if one.cancelled}
        added = [one for one in batch if one.added]
        ours = [
            Swap(Row(one.key, "@".join(map(str, one.key)), None), one.new)
            for one in added
            if one.key not in self._cancelled
        ]
        self._cancelled -= {one.key for one in added}
        size = len(ours) if self.table.whole else BATCH
        for at in range(0, len(ours), size or 1):
            self._take(ours[at : at + size])

    def _take(self, some: Sequence[Swap]) -> None:
        report = self.report
        now = {row.key: row.stored for row in self.table.now([one.row.key for one in some])}
        there = [one for one in some if one.row.key in now]
        report.looked_at += len(some)
        report.already += len(some) - len(there)
        if self.writing:
            done = self.table.remove(there)
        else:
            same = frozenset(one.row.key for one in there if now[one.row.key] == one.new)
            done = Swapped(same, frozenset(one.row.key for one in there) - same)
        count(report, there, done)
        if self.each:
            each_of(self.each, there, done, "removed")
