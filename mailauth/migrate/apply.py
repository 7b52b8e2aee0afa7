"""Carry a plan out, batch by batch, and take it back.

For each page of rows in key order: decide, make hashes where plaintexts are, write the batch to the
journal, change the rows that are still as they were read.  It can be stopped and killed at any point: each
row is then either the old or the new one, and it is gone on with by running it again, since a row that is
new already needs nothing.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import field, replace
from functools import partial

import msgspec

from mailauth.errors import CannotObserve, Refused
from mailauth.hashes import Password
from mailauth.hashes.accepts import version_text
from mailauth.migrate.alike import Decider
from mailauth.migrate.counts import Counts, Line
from mailauth.migrate.decide import Decision, Wishes
from mailauth.migrate.hashing import Hashers
from mailauth.migrate.journal import Entry, Journal, State
from mailauth.migrate.pace import Pace
from mailauth.migrate.users_out import Each
from mailauth.records import dataclass
from mailauth.stores.swaps import Key, Obstacle, Paged, Row, Swap, Swapped, Table, utf8

_NAMED = 100  # rows that are named in a report
_NOT_UTF8 = "the user's name, or the row's key, is not UTF-8"
_WRITING = 2  # batches at a time
_LOOK = 1000  # rows between two looks at the clock
_SAVE = 1.0  # seconds between two writes of the head

Tell = Callable[[int, int], None]
"""Called with the rows looked at and changed so far."""
Stopped = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done: kinds of rows, counted, with some of their users."""

    place: str
    rows: int
    nulls: int
    lines: tuple[Line, ...]
    too_long: int  # rows whose new string the column would cut
    not_utf8: int  # rows that would be changed if their keys were UTF-8
    width: int | None
    twice: tuple[str, ...] = ()
    bad_lines: tuple[int, ...] = ()
    passed_over: tuple[str, ...] = ()  # lines that are too long to be judged
    dovecot: str = ""  # who reads the strings
    default_scheme: str = ""
    assumed: str = ""  # what of that nobody said
    losing: tuple[str, ...] = ()  # mechanisms offered that serve these rows now, and not their new hashes
    obstacles: tuple[Obstacle, ...] = ()
    keyless: str = ""  # that the table has no primary key, and what to do before apply
    sample: tuple[str, ...] = ()  # what known passwords say of strings whose form leaves them open
    asked: str = ""  # the same as a question, where no configuration says what is offered
    stopped: bool = False  # for lack of time: later rows were not looked at

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
    undecided: int = 0  # rows that may be several things, as the plan lists them
    broken: int = 0  # rows that no password matches, and that no rule mends
    not_kept: int = 0  # plaintexts whose old string is in no journal
    rows: dict[str, list[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    stopped: bool = False
    problem: str = ""  # what ended it before its time; what was done until then stays done
    unreadable: str = ""  # what of the journal an undo could not read
    no_store: bool = False  # the problem is that the store did not answer
    seconds: float = 0.0

    @property
    def not_done(self) -> int:
        """Rows that are not as they should be; a plan made now would list each of them."""
        return self.changed + self.locked + self.failed + self.undecided + self.broken

    def note(self, kind: str, users: Sequence[str]) -> None:
        if users:
            named = self.rows.setdefault(kind, [])
            named += users[: _NAMED - len(named)]

    def left(self, row: Row, why: str) -> None:
        """A row that is left alone, and why."""
        self.failed += 1
        self.reasons[why] += 1
        self.note("failed", [row.user])

    def ended_by(self, why: Exception) -> None:
        self.problem, self.no_store = str(why), isinstance(why, CannotObserve)


def plan(
    table: Table,
    wishes: Wishes,
    tell: Tell,
    *,
    page: int,
    names: int = 5,
    seconds: float = math.inf,
    made: int = 0,
    each: Each | None = None,
) -> Plan:
    """Read everything, or as much as can be judged in so many seconds; change nothing.

    ``made``: how long a hash is that would be made.  ``each``: is called for every row.
    """
    until, stopped = time.monotonic() + seconds, False
    counts, decider = Counts(names), Decider(wishes)
    too_long = not_utf8 = 0
    for rows in pages(table, None, page):
        for row in rows:
            if row.stored is None:
                counts.rows += 1
                counts.nulls += 1
                if each:
                    each(row.user, "no password", "", "", "")
                continue
            decision = decider.decide(row.stored)
            counts.add(decision, row.user)
            length = made if decision.password else len(decision.new or b"")
            cut = table.width is not None and length > table.width
            too_long += cut
            left = "the column would cut the new string" if cut else ""
            if decision.action and not utf8(row.key):
                not_utf8, left = not_utf8 + 1, _NOT_UTF8
            if each:
                tell_decision(each, row.user, decision, left)
            if stopped := not counts.rows % _LOOK and time.monotonic() > until:
                break
        tell(counts.rows, 0)
        if stopped:
            break
    return Plan(
        table.place,
        counts.rows,
        counts.nulls,
        tuple(counts.lines()),
        too_long,
        not_utf8,
        table.width,
        tuple(getattr(table, "twice", ())[:_NAMED]),
        tuple(getattr(table, "bad", ())[:_NAMED]),
        tuple(getattr(table, "passed_over", ())[:_NAMED]),
        version_text(wishes.reader.dovecot),
        wishes.reader.default_scheme,
        obstacles=tuple(table.obstacles()),
        keyless=getattr(table, "keyless", ""),
        stopped=stopped,
    )


def tell_decision(each: Each, user: str, decision: Decision, left: str = "") -> None:
    """``left``: why the row stays as it is though a rule would change it."""
    if decision.action:
        what, why = decision.what, left
    elif decision.unsure:
        what, why = "left", f"may be {decision.unsure}"
    else:
        what, why = "broken" if decision.broken else "as is", decision.broken
    each(user, what, decision.before, decision.after, why)


def pages(table: Paged, after: Key | None, size: int) -> Iterator[Sequence[Row]]:
    while rows := table.page(after, size):
        yield rows
        after = rows[-1].key


def must_be_possible(table: Table) -> None:
    """Raises Refused, with all that stops it, where nothing can be written there."""
    if stops := [one.says for one in table.obstacles() if one.stops]:
        raise Refused(f"{table.place}: {'; '.join(stops)}. Nothing was changed.")


def ran(report: Report, journal: Journal, work: Callable[[], bool], save: Callable[[], None]) -> Report:
    """Carry out what fills the report and is in the journal; ``work``: whether it got to its end."""
    began = time.monotonic()
    try:
        if work():
            journal.head = replace(journal.head, state=State.APPLIED)
        save()
    except (Refused, CannotObserve) as why:
        report.ended_by(why)
        with suppress(Refused):
            save()
    report.seconds = time.monotonic() - began
    return report


@dataclass(slots=True)
class Applier:
    """One run of a migration.  ``pace``: None for no limit.

    While a batch is decided, threads read the one after it and write those before it: one is made ready
    while the database works on the other.
    """

    table: Table
    wishes: Wishes
    hashers: Hashers | None  # None: nothing that is to be done makes any
    journal: Journal
    tell: Tell
    stopped: Stopped
    page: int
    pace: Pace | None = None
    each: Each | None = None  # is told of every row that is changed, or left though it was to be
    report: Report = field(default_factory=Report)
    _saved: float = 0.0
    _none_fits: bool = False  # of the hashes that were made

    def run(self) -> Report:
        """To the end, or until it is stopped or cannot go on (see the report).

        It begins at the first row, also when it goes on: a database that was killed may have lost what
        it said was written.
        """
        return ran(self.report, self.journal, self._to_the_end, self._save)

    def _to_the_end(self) -> bool:
        """Whether it got there."""
        decider = Decider(self.wishes)
        writing: deque[Callable[[], None]] = deque()
        with ThreadPoolExecutor(1 + _WRITING if self.table.apart else 1) as store:
            try:
                reading = store.submit(self.table.page, None, self.page)
                while rows := reading.result():
                    if self.stopped():
                        self.report.stopped = True
                        return False
                    reading = store.submit(self.table.page, rows[-1].key, self.page)
                    swaps, secret = self._journaled(rows, decider)
                    if len(writing) == _WRITING:
                        writing.popleft()()
                    done = store.submit(self.table.swap, swaps)
                    writing.append(partial(self._written, done, swaps, secret, len(rows)))
                    if self.pace:
                        store.submit(self.pace.probe, partial(self.table.now, [rows[0].key])).result()
                        self.pace.wait(self.report.written, self.stopped)
                return True
            finally:
                with ExitStack() as rest:  # each counts, also where one before it failed
                    for written in reversed(writing):
                        rest.callback(written)

    def _journaled(self, rows: Sequence[Row], decider: Decider) -> tuple[list[Swap], frozenset[Key]]:
        """What is to be written, on disk in the journal when this returns; whose old string is not there."""
        swaps, hashed = decider.swaps(rows)
        self.report.undecided, self.report.broken = decider.undecided, decider.broken
        swaps = self._fitting(self._sayable(swaps))
        secret: frozenset[Key] = frozenset()
        if hashed:
            made = self._hashed(hashed)
            fitting = self._fitting(made)
            self._none_fits = bool(made) and not fitting
            secret = frozenset(one.row.key for one in fitting)
            swaps += fitting
        if swaps:
            if self.journal.head.keeps_plaintexts:
                secret = frozenset()
            self.journal.batch(
                [
                    Entry(one.row.key, None if one.row.key in secret else one.row.stored, one.new)
                    for one in swaps
                ]
            )
        return swaps, secret

    def _fitting(self, swaps: list[Swap]) -> list[Swap]:
        """Without those that the column would cut; they are named."""
        width = self.table.width
        if width is None or max((len(one.new) for one in swaps), default=0) <= width:
            return swaps
        for one in swaps:
            if len(one.new) > width:
                self._too_long(one.row)
        return [one for one in swaps if len(one.new) <= width]

    def _left(self, row: Row, why: str) -> None:
        self.report.left(row, why)
        if self.each:
            self.each(row.user, "left", "", "", why)

    def _too_long(self, row: Row) -> None:
        self._left(row, f"the column holds {self.table.width} characters, and more are needed: widen it")

    def _hashed(self, wanted: list[tuple[Row, Password]]) -> list[Swap]:
        assert self.hashers
        if self._none_fits:  # all hashes of an order are as long: they need not be made
            for row, _ in wanted:
                self._too_long(row)
            return []
        some = [(row, password) for row, password in wanted if utf8(row.key)]
        for row, _ in wanted:
            if not utf8(row.key):
                self._left(row, _NOT_UTF8)
        made = self.hashers.hashes([(row.user, password) for row, password in some])
        swaps = []
        for (row, _), (new, why) in zip(some, made, strict=True):
            if why:
                self._left(row, why)
            else:
                swaps.append(Swap(row, new.encode()))
        return swaps

    def _sayable(self, swaps: list[Swap]) -> list[Swap]:
        """Without those whose key cannot be said in a journal; they are named."""
        try:
            msgspec.msgpack.encode([one.row.key for one in swaps])
        except UnicodeError:
            for one in swaps:
                if not utf8(one.row.key):
                    self._left(one.row, _NOT_UTF8)
            return [one for one in swaps if utf8(one.row.key)]
        return swaps

    def _written(
        self, done: Future[Swapped], swaps: Sequence[Swap], secret: frozenset[Key], rows: int
    ) -> None:
        """Wait for a batch, and count it."""
        swapped = done.result()
        count(self.report, swaps, swapped)
        if self.each:
            each_of(self.each, swaps, swapped, "changed")
        self.report.not_kept += len(secret & swapped.written)
        self.report.looked_at += rows
        self.tell(self.report.looked_at, self.report.written)
        so_far = {
            name: getattr(self.report, name)
            for name in ("looked_at", "written", "changed", "locked", "failed")
        }
        self.journal.head = replace(self.journal.head, done=so_far)
        if time.monotonic() - self._saved > _SAVE:
            self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        self.journal.save()


def each_of(each: Each, swaps: Sequence[Swap], done: Swapped, what: str) -> None:
    """Tell what became of each of the swaps; ``what``: of those that are written."""
    left = dict(done.left)
    for one in swaps:
        key = one.row.key
        if key in done.written:
            each(one.row.user, what, "", "", "")
        else:
            locked = "locked by someone else" if key in done.locked else "changed meanwhile"
            each(one.row.user, "left", "", "", left.get(key, locked))


def count(report: Report, swaps: Sequence[Swap], done: Swapped) -> None:
    """Add what became of swaps."""
    report.written += len(done.written)
    report.changed += len(done.changed)
    report.locked += len(done.locked)
    left = dict(done.left)
    for one in swaps if left else ():
        if why := left.get(one.row.key):
            report.left(one.row, why)
    if done.changed or done.locked:
        users = {one.row.key: one.row.user for one in swaps}
        report.note("changed meanwhile", [users[key] for key in sorted(done.changed, key=str)])
        report.note("locked by someone else", [users[key] for key in sorted(done.locked, key=str)])
