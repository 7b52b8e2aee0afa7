"""Carry a plan out, batch by batch, and take it back.

For each page of rows in key order: decide, make hashes where plaintexts are, write the batch to the
journal, change the rows that are still as they were read.  It can be stopped and killed at any point: each
row is then either the old or the new one, and it goes on where it was, since a row that is new already
needs nothing.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mailauth.errors import Refused
from mailauth.migrate.decide import Counts, Decision, Line, Wishes, decide
from mailauth.migrate.hashing import Hashers
from mailauth.migrate.journal import Entry, Journal, State
from mailauth.stores.swaps import Key, Row, Swap, Swapped, Table

_NAMED = 100  # rows that are named in a report
_SAVE = 1.0  # seconds between two writes of the head

Tell = Callable[[int, int], None]
"""Is told of rows looked at and rows changed, as it goes on."""
Stopped = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done: kinds of rows, counted, with some of their users."""

    place: str
    rows: int
    nulls: int
    lines: tuple[Line, ...]
    too_long: int  # rows whose new string the column would cut
    width: int | None
    twice: tuple[str, ...] = ()
    bad_lines: tuple[int, ...] = ()

    @property
    def changes(self) -> int:
        return sum(line.rows for line in self.lines if line.action)


@dataclass(slots=True)
class Report:
    """What was done.  The lists name some of the rows; the counts are exact."""

    looked_at: int = 0
    written: int = 0
    already: int = 0
    changed: int = 0
    locked: int = 0
    failed: int = 0
    not_kept: int = 0  # plaintexts whose old string is in no journal
    rows: dict[str, list[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    stopped: bool = False
    seconds: float = 0.0

    def note(self, kind: str, users: Sequence[str]) -> None:
        named = self.rows.setdefault(kind, [])
        named += users[: _NAMED - len(named)]


def plan(table: Table, wishes: Wishes, tell: Tell, *, page: int, names: int = 5) -> Plan:
    """Read everything, change nothing."""
    counts = Counts(names)
    too_long = 0
    for rows in pages(table, None, page):
        for row in rows:
            if row.stored is None:
                counts.rows += 1
                counts.nulls += 1
                continue
            decision = decide(row.stored, wishes)
            counts.add(decision, row.user)
            if decision.new and table.width is not None and len(decision.new) > table.width:
                too_long += 1
        tell(counts.rows, 0)
    return Plan(
        table.place,
        counts.rows,
        counts.nulls,
        tuple(counts.lines()),
        too_long,
        table.width,
        tuple(getattr(table, "twice", ())[:_NAMED]),
        tuple(getattr(table, "bad", ())[:_NAMED]),
    )


def pages(table: Table, after: Key | None, size: int) -> Iterator[Sequence[Row]]:
    while rows := table.page(after, size):
        yield rows
        after = rows[-1].key


@dataclass(slots=True)
class Applier:
    """One run of a migration.  ``rate``: rows a second at most; None for no limit."""

    table: Table
    wishes: Wishes
    hashers: Hashers
    journal: Journal
    tell: Tell
    stopped: Stopped
    page: int
    rate: float | None = None
    report: Report = field(default_factory=Report)
    _saved: float = 0.0

    def run(self) -> Report:
        """From where the journal says to the end, or until it is stopped.  Raises Refused."""
        began = time.monotonic()
        try:
            for rows in pages(self.table, self.journal.head.last, self.page):
                if self.stopped():
                    self.report.stopped = True
                    break
                self._page(rows)
                self._went_on(rows[-1].key)
                self._throttle(began)
            else:
                self.journal.head = replace(self.journal.head, state=State.APPLIED)
        finally:
            self.report.seconds = time.monotonic() - began
            self._save()
        return self.report

    def _page(self, rows: Sequence[Row]) -> None:
        decided = [(row, decide(row.stored, self.wishes)) for row in rows if row.stored is not None]
        swaps, secret = self._swaps([(row, decision) for row, decision in decided if decision.acts])
        self.report.looked_at += len(rows)
        if swaps:
            keep = bool(self.journal.head.sealed_to)
            self.journal.batch(
                [
                    Entry(one.row.key, one.row.stored if keep or one.row.key not in secret else None, one.new)
                    for one in swaps
                ]
            )
            if not keep:
                self.report.not_kept += len(secret)
            done = self.table.swap(swaps)
            count(self.report, swaps, done)
        self.tell(self.report.looked_at, self.report.written)

    def _swaps(self, acting: Sequence[tuple[Row, Decision]]) -> tuple[list[Swap], set[Key]]:
        """With the new strings, and the keys whose old string is a plaintext."""
        hashed = [(row, decision.password) for row, decision in acting if decision.password is not None]
        swaps = [Swap(row, decision.new) for row, decision in acting if decision.new is not None]
        secret: set[Key] = set()
        if hashed:
            made = self.hashers.hashes([(row.user, password) for row, password in hashed])
            for (row, _), (new, why) in zip(hashed, made, strict=True):
                if why:
                    self.report.failed += 1
                    self.report.reasons[why] += 1
                    self.report.note("failed", [row.user])
                    continue
                secret.add(row.key)
                swaps.append(Swap(row, new.encode()))
        width = self.table.width
        if width is not None and any(len(one.new) > width for one in swaps):
            longest = max(len(one.new) for one in swaps)
            raise Refused(
                f"{self.table.place} holds {width} characters, and {longest} are needed; widen it first."
            )
        return swaps, secret

    def _went_on(self, last: Key) -> None:
        done = {
            name: getattr(self.report, name)
            for name in ("looked_at", "written", "changed", "locked", "failed")
        }
        self.journal.head = replace(self.journal.head, last=last, done=done)
        if time.monotonic() - self._saved > _SAVE:
            self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        self.journal.save()

    def _throttle(self, began: float) -> None:
        if self.rate:
            ahead = self.report.looked_at / self.rate - (time.monotonic() - began)
            while ahead > 0 and not self.stopped():
                time.sleep(min(ahead, 0.2))
                ahead -= 0.2


def count(report: Report, swaps: Sequence[Swap], done: Swapped) -> None:
    """Add what became of swaps."""
    users = {one.row.key: one.row.user for one in swaps}
    report.written += len(done.written)
    report.changed += len(done.changed)
    report.locked += len(done.locked)
    report.note("changed meanwhile", [users[key] for key in sorted(done.changed, key=str)])
    report.note("locked by someone else", [users[key] for key in sorted(done.locked, key=str)])


def undo(
    table: Table, batches: Iterator[list[Entry]], journal: Journal, tell: Tell, stopped: Stopped
) -> Report:
    """Put the old strings back where the new ones still are, the last batch first."""
    report = Report()
    began = time.monotonic()
    journal.head = replace(journal.head, state=State.UNDOING)
    journal.save()
    for batch in batches:
        if stopped():
            report.stopped = True
            break
        _batch_back(table, batch, report)
        tell(report.looked_at, report.written)
    else:
        if not report.locked:
            journal.head = replace(journal.head, state=State.UNDONE)
    report.seconds = time.monotonic() - began
    journal.save()
    return report


def _batch_back(table: Table, batch: list[Entry], report: Report) -> None:
    entries = {entry.key: entry for entry in batch}
    rows = {row.key: row for row in table.now(list(entries))}
    report.looked_at += len(batch)
    swaps = []
    for key, entry in entries.items():
        row = rows.get(key)
        if row is None or row.stored not in (entry.old, entry.new):
            report.changed += 1
            report.note("changed meanwhile", [row.user if row else str(key[-1])])
        elif row.stored == entry.old:
            report.already += 1
        elif entry.old is None:
            report.not_kept += 1
            report.note("was a plaintext, and is not kept", [row.user])
        else:
            swaps.append(Swap(row, entry.old))
    if swaps:
        count(report, swaps, table.swap(swaps))
