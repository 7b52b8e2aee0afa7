"""Take a migration back, where its rows are still as it left them; or say beforehand how many that are.

``undo`` goes through a journal, whatever the migration did; what is done with a batch of it is a ``Work``:
old strings are put back (``Undoing``), or rows that were added are removed (``removal``).
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from functools import partial
from hashlib import blake2b
from typing import Protocol

from mailauth import hashes
from mailauth.errors import CannotObserve, Refused
from mailauth.hashes import Password, Verdict
from mailauth.migrate.apply import Report, Stopped, Tell
from mailauth.migrate.journal import Entry, Journal, State
from mailauth.migrate.pace import Pace
from mailauth.migrate.users_out import Each
from mailauth.records import dataclass
from mailauth.stores.swaps import Key, Paged, Row, Swap, Swapped, Table

CHANGED = "changed meanwhile"
GONE = "not there any more, or not shown to this account"
LOCKED = "locked by someone else"
NOT_KEPT = "a plaintext that the journal does not hold"
_NAMED = 5  # places
_PLAIN = (b"{PLAIN}", b"{CLEAR}", b"{CLEARTEXT}", b"")


class Work(Protocol):
    """What is done with the batches of a journal, the last one first."""

    @property
    def report(self) -> Report:
        """What was done so far."""

    @property
    def table(self) -> Paged:
        """Where."""

    def batch(self, batch: Sequence[Entry]) -> None:
        """Take one back, or only count it.  Raises Refused, CannotObserve."""


@dataclass(slots=True)
class Undoing:
    """Old strings that are put back.

    The last batch goes first, so that a row that was changed twice goes back step by step.
    """

    table: Table
    writing: bool  # else it is only counted
    bare_stays: str = ""  # why an old string without a scheme is not put back
    each: Each | None = None  # is told of every row of the journal
    report: Report = field(default_factory=Report)
    _became: dict[bytes, str] = field(default_factory=dict)  # by the key's digest: there are millions
    _counts: Counter[str] = field(default_factory=Counter)
    _would_be: dict[Key, bytes | None] = field(default_factory=dict)  # where nothing is written

    def batch(self, batch: Sequence[Entry]) -> None:
        entries = {entry.key: entry for entry in batch if self._became.get(_digest(entry.key)) not in _STAY}
        rows = {row.key: row for row in self.table.now(list(entries))}
        swaps = []
        for key, entry in entries.items():
            row = rows.get(key)
            if row is not None and key in self._would_be:
                row = Row(key, row.user, self._would_be[key], row.version)
            outcome = _outcome(row, entry)
            if outcome == _BACK and self.bare_stays and _is_bare(entry.old):
                self.report.reasons[self.bare_stays] += 1
                self._note(key, _FAILED, row.user if row else "", self.bare_stays)
                continue
            if outcome == _BACK and row is not None:
                swaps.append(Swap(row, entry.old or b"", null=entry.null))
            else:
                self._note(key, outcome, row.user if row else str(key[-1]))
        if self.writing and swaps:
            self._written(swaps, self.table.swap(swaps))
        else:
            self._would_be |= {one.row.key: one.after for one in swaps}
            for one in swaps:
                self._note(one.row.key, _BACK, one.row.user)
        self._count()

    def _written(self, swaps: Sequence[Swap], done: Swapped) -> None:
        left = dict(done.left)
        for one in swaps:
            key = one.row.key
            if why := left.get(key):
                self.report.reasons[why] += 1
                self._note(key, _FAILED, one.row.user, why)
            elif key in done.written:
                self._note(key, _BACK, one.row.user)
            else:
                self._note(key, LOCKED if key in done.locked else CHANGED, one.row.user)

    def _note(self, key: Key, outcome: str, user: str, why: str = "") -> None:
        digest = _digest(key)
        before = self._became.get(digest)
        if before == outcome or (before == _BACK and outcome == _OLD):
            return
        if before is not None:
            self._counts[before] -= 1
        self._became[digest] = outcome
        self._counts[outcome] += 1
        if self.each:
            said = _SAID.get(outcome)
            self.each(user, said or "left", "", "", "" if said else why or outcome)
        if outcome not in (_BACK, _OLD):
            self.report.note(outcome, [user])

    def _count(self) -> None:
        report, counts = self.report, self._counts
        report.looked_at = len(self._became)
        report.written, report.already = counts[_BACK], counts[_OLD]
        report.changed = counts[CHANGED] + counts[GONE]
        report.locked, report.failed, report.not_kept = counts[LOCKED], counts[_FAILED], counts[NOT_KEPT]


_BACK, _OLD, _FAILED = "back", "old", "failed"
_SAID = {_BACK: "restored", _OLD: "as before"}
_STAY = frozenset({CHANGED, GONE, LOCKED, NOT_KEPT, _FAILED})


def _digest(key: Key) -> bytes:
    """Python's own hash will not do: -1 and -2 have the same one."""
    return blake2b(repr(key).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _outcome(row: Row | None, entry: Entry) -> str:
    if row is None:
        return GONE
    if entry.kept:
        return _OLD if row.stored == entry.old else _BACK if row.stored == entry.new else CHANGED
    if row.stored == entry.new:
        return NOT_KEPT
    return _OLD if _was_made_of(entry.new, row.stored) else CHANGED


def _is_bare(stored: bytes | None) -> bool:
    return stored is not None and stored != b"" and not stored.startswith(b"{")


def _was_made_of(new: bytes, stored: bytes | None) -> bool:
    """Whether the row still has the plaintext that the new string was made of: it was never written."""
    if not stored or stored.startswith(b"$"):
        return False
    name = next(name for name in _PLAIN if stored.upper().startswith(name))
    return hashes.verify(new, Password(stored[len(name) :])).verdict is Verdict.MATCH


def prospect(work: Work, batches: Iterator[list[Entry]], damaged: list[int], tell: Tell) -> Report:
    """What an undo would do, by the rows as they are now; ``work`` only counts."""
    for batch in batches:
        work.batch(batch)
        tell(work.report.looked_at, 0)
    _told_damage(work.report, damaged)
    return work.report


def undo(
    work: Work,
    batches: Iterator[list[Entry]],
    damaged: list[int],
    journal: Journal,
    tell: Tell,
    stopped: Stopped,
    pace: Pace | None = None,
) -> Report:
    """``damaged`` is filled by ``batches``: places in the journal that cannot be read."""
    report = work.report
    began = time.monotonic()
    try:
        journal.head = replace(journal.head, state=State.UNDOING)
        journal.save()
        for batch in batches:
            if stopped():
                report.stopped = True
                break
            work.batch(batch)
            tell(report.looked_at, report.written)
            if pace:
                pace.probe(partial(work.table.now, [batch[0].key]))
                pace.wait(report.written, stopped)
        else:
            if not (report.locked or report.failed):
                state = State.PARTLY if report.not_kept or damaged else State.UNDONE
                journal.head = replace(journal.head, state=state)
        journal.save()
    except (Refused, CannotObserve) as why:
        report.ended_by(why)
    _told_damage(report, damaged)
    report.seconds = time.monotonic() - began
    return report


def _told_damage(report: Report, damaged: list[int]) -> None:
    if damaged:
        some = ", ".join(map(str, damaged[:_NAMED])) + (" ..." if len(damaged) > _NAMED else "")
        report.unreadable = f"{len(damaged)} batches of the journal cannot be read (at byte {some})"
