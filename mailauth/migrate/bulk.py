"""A list of users and known passwords, page by page: look the rows up, verify, make, write.

Every row is changed by compare-and-set, after its old string is in the journal.  It can be stopped and
killed at any point; run again, what is done is found to be there already.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from itertools import islice

from mailauth.errors import CannotObserve, Refused
from mailauth.hashes import Hash
from mailauth.migrate.apply import Stopped, Tell
from mailauth.migrate.hashing import Hashers
from mailauth.migrate.import_list import Known, Named, UserList
from mailauth.migrate.journal import Entry, Journal, State
from mailauth.migrate.listed_user import DONE, NEW, Check, Checked, Claim, check_some, plaintext
from mailauth.migrate.pace import Pace
from mailauth.migrate.users_out import Each
from mailauth.records import dataclass
from mailauth.stores.swaps import Key, Row, Swap, Table, utf8

_NAMED = 100  # lines or users of an outcome that are named
_REASONS = 100
_MiB = 1024 * 1024

_Pair = tuple[Known, Row]


@dataclass(slots=True)
class Imported:
    """What became of a list's lines.  The counts are exact; ``named`` has some of those that were left.

    A user is named as in the store, a line of no user of the store's by its number: what stands there
    may be a password.
    """

    lines: int = 0
    counts: Counter[Checked] = field(default_factory=Counter)
    named: dict[Checked, list[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    not_kept: int = 0  # old strings that are in no journal: plaintexts
    cut: int = 0  # new hashes that read only the beginning of the password
    stopped: bool = False
    problem: str = ""  # what ended it before its time
    no_store: bool = False  # the problem is that the store, or the cluster, did not answer
    seconds: float = 0.0
    each: Each | None = None  # is told of every line that was judged

    def add(self, outcome: Checked, count: int, name: str, why: str = "") -> None:
        self.counts[outcome] += count
        if self.each:
            self.each(name, outcome.value, "", "", why)
        if outcome in DONE:
            return
        names = self.named.setdefault(outcome, [])
        if len(names) < _NAMED:
            names.append(name)
        if why and (why in self.reasons or len(self.reasons) < _REASONS):
            self.reasons[why] += count

    @property
    def new(self) -> int:
        return sum(self.counts[outcome] for outcome in NEW)

    @property
    def left(self) -> int:
        return sum(count for outcome, count in self.counts.items() if outcome not in DONE)


@dataclass(slots=True)
class Import:
    """One run.  ``journal``: None where nothing is changed.  ``pace``: None for no limit."""

    table: Table
    users: UserList
    named: Named
    check: Check
    workers: Hashers
    journal: Journal | None
    report: Imported
    tell: Tell
    stopped: Stopped
    page: int
    pace: Pace | None = None

    def run(self) -> Imported:
        """To the end, or until it is stopped or cannot go on (see the report)."""
        began = time.monotonic()
        try:
            if self._to_the_end() and self.journal:
                self.journal.head = replace(self.journal.head, state=State.APPLIED)
            self._save()
        except (Refused, CannotObserve) as why:
            self.report.problem, self.report.no_store = str(why), isinstance(why, CannotObserve)
            with suppress(Refused):
                self._save()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _to_the_end(self) -> bool:
        """Whether it got there."""
        users = self.users.users()
        while page := list(islice(users, self.page)):
            if self.stopped():
                self.report.stopped = True
                return False
            self._page(page)
            self._save()
            self.tell(sum(self.report.counts.values()), self.report.new)
            if self.pace:
                self.pace.probe(partial(self.table.of_users, [page[0].user]))
                self.pace.wait(self.report.new, self.stopped)
        return True

    def _page(self, page: Sequence[Known]) -> None:
        pairs = list(self._verifiable(self._found(page)))
        claims = [Claim(row.user, known.password, row.stored) for known, row in pairs]
        answers = self.workers.each(check_some, self.check, claims, self._memory)
        wanted: list[Swap] = []
        outcomes: dict[Key, Checked] = {}
        proven: set[Key] = set()  # whose old string is a hash, as the password has shown
        goal = self.check.goal
        for (known, row), (outcome, new, why) in zip(pairs, answers, strict=True):
            self.report.cut += outcome in NEW and goal is not None and goal.cuts(known.password)
            if not new:
                self.report.add(outcome, 1, row.user, why)
            elif not utf8(row.key):
                self.report.add(Checked.NOT_SAID, 1, row.user)
            else:
                wanted.append(Swap(row, new.encode()))
                outcomes[row.key] = outcome
                if outcome is Checked.MIGRATED and known.password.text not in (row.stored or b""):
                    proven.add(row.key)
        if wanted:
            self._write(wanted, outcomes, proven)

    def _found(self, page: Sequence[Known]) -> Iterator[_Pair]:
        """Each with one row."""
        wanted = {known.user for known in page}
        rows: defaultdict[str, list[Row]] = defaultdict(list)
        for row in self.table.of_users(list(wanted)):
            rows[row.user if row.user in wanted else self.named(row.user)[0]].append(row)
        for known in page:
            found = rows[known.user]
            if len(found) == 1:
                yield known, found[0]
            else:
                outcome = Checked.SEVERAL if found else Checked.NO_USER
                self.report.add(outcome, 1, f"line {known.line}")

    def _verifiable(self, pairs: Iterator[_Pair]) -> Iterator[_Pair]:
        """Without those whose stored hash takes more memory than any worker has."""
        room = self.workers.room()
        for known, row in pairs:
            need = self._memory(Claim(row.user, known.password, row.stored))
            if room is None or need <= room:
                yield known, row
            else:
                why = f"takes {need / _MiB:.0f} MiB, and no worker has declared so much"
                self.report.add(Checked.BROKEN, 1, row.user, why)

    def _memory(self, claim: Claim) -> int:
        parsed = self.check.parsed(claim.stored or b"")
        return parsed.scheme.memory(parsed.payload).total if isinstance(parsed, Hash) else 0

    def _write(self, swaps: Sequence[Swap], outcomes: dict[Key, Checked], proven: set[Key]) -> None:
        assert self.journal
        width, longest = self.table.width, max(len(one.new) for one in swaps)
        if width is not None and longest > width:
            raise Refused(
                f"{self.table.place} holds {width} characters, and {longest} are needed; widen it first."
            )
        entries = [
            Entry(
                one.row.key,
                one.row.stored if one.row.key in proven else self._kept(one.row.stored),
                one.new,
                null=one.row.stored is None,
            )
            for one in swaps
        ]
        self.journal.batch(entries)
        done = self.table.swap(swaps)
        self.report.not_kept += sum(not entry.kept for entry in entries if entry.key in done.written)
        left = dict(done.left)
        for one in swaps:
            outcome, why = outcomes[one.row.key], left.get(one.row.key, "")
            if why:
                outcome = Checked.NOT_KEPT
            elif one.row.key in done.locked:
                outcome = Checked.LOCKED
            elif one.row.key not in done.written:
                outcome = Checked.CHANGED
            self.report.add(outcome, 1, one.row.user, why)

    def _kept(self, stored: bytes | None) -> bytes | None:
        """The old string, as the journal may have it."""
        assert self.journal
        if not stored or self.journal.head.keeps_plaintexts:
            return stored
        return None if plaintext(self.check.parsed(stored)) else stored

    def _save(self) -> None:
        if self.journal:
            done = {
                "looked_at": sum(self.report.counts.values()),
                "written": self.report.new,
                "left": self.report.left,
            }
            self.journal.head = replace(self.journal.head, done=done)
            self.journal.save()
