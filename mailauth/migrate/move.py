"""Rows of one store put into another: moved, or merged; nothing is removed where they come from.

Every string gets the scheme that counts for it where it is, so that it lets in the same passwords whatever
the default scheme is where it goes.  Who is there already is never written over: a name with another
string, in other case, or twice, is listed and left.
"""

import base64
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mailauth.errors import CannotObserve, Refused
from mailauth.hashes import Flaw
from mailauth.hashes.accepts import version_text
from mailauth.hashes.damaged import Reader, has_scheme
from mailauth.hashes.nature import parsed_by
from mailauth.migrate.apply import Report, Stopped, Tell, count, ran
from mailauth.migrate.decide import same_passwords
from mailauth.migrate.journal import Entry, Journal, State
from mailauth.migrate.pace import Pace
from mailauth.migrate.users_out import Each
from mailauth.stores.adding import Target, folded
from mailauth.stores.listing import Listed
from mailauth.stores.swaps import Key, Row, Swap

KIND = "move"  # of its journal
BATCH = 500
_PAGE = 20_000
_NAMED = 5
ADD, THERE = "add", "there"
OTHER = "it is there with another string"
CASE = "it is there in other letters"
TWICE = "the source has it twice, or in two cases"
NO_DOMAIN = "it has no domain, and names there have one: --domain adds one"
DOMAIN = "it has a domain, and no name there has one"
NO_PASSWORD = "no password is stored"  # noqa: S105 - an outcome
NOT_UTF8 = "the name is not UTF-8"
AS_IT_IS = "no scheme keeps its meaning: another default scheme would let others in, or nobody"
_B64 = b"{PLAIN.B64}"


@dataclass(frozen=True, slots=True)
class MoveKind:
    """What becomes of some rows; ``why`` is "" for those that are added or there already."""

    what: str
    rows: int
    users: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Moving:
    """What is to be done.  ``swaps`` are secrets."""

    place: str
    kinds: tuple[MoveKind, ...]
    notes: tuple[str, ...]
    swaps: tuple[Swap, ...] = field(repr=False)

    @property
    def left(self) -> int:
        return sum(one.rows for one in self.kinds if one.why)


def carried(stored: bytes, reader: Reader) -> bytes | None:
    """The string with the scheme that counts for it; None where no scheme says the same."""
    if has_scheme(stored):
        return stored
    now = parsed_by(reader, stored)
    for name in (reader.default_scheme, "MD5-CRYPT"):  # a bare "$1$" in a file is that whatever the default
        new = b"{%b}%b" % (name.encode(), stored)
        then = parsed_by(reader, new)
        if isinstance(now, Flaw) and isinstance(then, Flaw):
            return new
        if not (isinstance(now, Flaw) or isinstance(then, Flaw)) and same_passwords(now, then):
            return new
    return None


@dataclass(slots=True)
class _There:
    """Who is in the target: by the folded name, each with a digest of the string."""

    names: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    with_domain: int = 0
    without: int = 0

    def read(self, target: Target) -> "_There":
        after: Key | None = None
        while rows := target.page(after, _PAGE):
            for row in rows:
                self.names[folded(row.user)][row.user] = _digest(row.stored or b"")
                self.with_domain += "@" in row.user
                self.without += "@" not in row.user
            after = rows[-1].key
        return self


def _digest(stored: bytes) -> bytes:
    return hashlib.blake2b(stored, digest_size=16).digest()


def plan(
    found: Iterable[Listed],
    reader: Reader,
    target: Target,
    domain: str = "",
    each: Each | None = None,
    *,
    reads: Reader | None = None,
    accept_fields: bool = False,
) -> Moving:
    """Reads both, changes nothing; ``reads``: who reads the strings there.

    Raises CannotObserve, and Refused with all that stops it.
    """
    if stops := [one.says for one in target.obstacles() if one.stops]:
        raise Refused(f"CANNOT BE DONE: {'; '.join(stops)}.")
    there = _There().read(target)
    rows = [one for one in found if not one.never]
    named = [(_named(one, domain), one) for one in rows]
    often = Counter(folded(user) for user, _ in named if user is not None)
    counts: Counter[tuple[str, str]] = Counter()
    users: dict[tuple[str, str], list[str]] = defaultdict(list)
    swaps = []
    for user, one in named:
        shown = one.user.decode("utf-8", "replace") if user is None else user
        if one.fields and not accept_fields:
            what, why, swap = "left", f"it has {', '.join(one.fields)}, which would be lost", None
        elif user is None:
            what, why, swap = "left", NOT_UTF8, None
        else:
            what, why, swap = _one(user, one.stored, reader, target, there, twice=often[folded(user)] > 1)
        swaps += [swap] if swap else []
        counts[what, why] += 1
        users[what, why] += [shown] if len(users[what, why]) < _NAMED else []
        if each:
            each(shown, what, "", "", why)
    kinds = (MoveKind(what, rows, tuple(users[what, why]), why) for (what, why), rows in counts.most_common())
    order = sorted(kinds, key=lambda kind: (bool(kind.why), kind.what))
    notes = [*_let_nobody_in(swaps, reads or reader), *_notes(named, there, target)]
    return Moving(target.place, tuple(order), tuple(notes), tuple(swaps))


def _let_nobody_in(swaps: Sequence[Swap], reads: Reader) -> Iterator[str]:
    """Rows that match no password where they go: locked, broken, or of a scheme that is refused there."""
    none = [one.row.user for one in swaps if isinstance(parsed_by(reads, one.new), Flaw)]
    if none:
        some = ", ".join(none[:_NAMED]) + (" ..." if len(none) > _NAMED else "")
        yield (
            f"{len(none)} of the rows let nobody in there, as Dovecot {version_text(reads.dovecot)} reads"
            f" them (locked, broken, or a scheme that it refuses): {some}"
        )


def _named(one: Listed, domain: str) -> str | None:
    try:
        user = one.user.decode()
    except UnicodeDecodeError:
        return None
    return f"{user}@{domain}" if domain and "@" not in user else user


def _one(
    user: str, stored: bytes | None, reader: Reader, target: Target, there: _There, *, twice: bool
) -> tuple[str, str, Swap | None]:
    """What becomes of a user, why, and the row."""
    if not stored:
        return "left", NO_PASSWORD, None
    if twice:
        return "left", TWICE, None
    new = carried(stored, reader)
    if new is None:
        return "left", AS_IT_IS, None
    if target.unfit(new) and new.startswith(b"{PLAIN}"):
        new = _B64 + base64.b64encode(new.removeprefix(b"{PLAIN}"))
    names = there.names.get(folded(user), {})
    if user in names:
        same = names[user] in (_digest(new), _digest(stored))
        return (THERE, "", None) if same else ("left", OTHER, None)
    if names:
        return "left", f"{CASE} ({', '.join(names)})", None
    if "@" not in user and there.with_domain and not there.without:
        return "left", NO_DOMAIN, None
    if "@" in user and there.without and not there.with_domain:
        return "left", DOMAIN, None
    key = target.key(user)
    why = key if isinstance(key, str) else target.unfit(new)
    if why or isinstance(key, str):
        return "left", why, None
    return ADD, "", Swap(Row(key, user, None), new)


def _notes(named: Sequence[tuple[str | None, Listed]], there: _There, target: Target) -> Iterator[str]:
    """What nobody is kept from by, and somebody should look at."""
    ours = {user.partition("@")[0] for user, _ in named if user and "@" not in user}
    if alike := sorted({name for name in there.names if "@" in name and name.partition("@")[0] in ours}):
        yield f"names without a domain may be these users there: {', '.join(alike[:_NAMED])}"
    yield (
        "strings alone are moved: uid, gid, home, quota and aliases are not; and nothing is removed where"
        f" they come from. Nobody is asked at {target.place} before Dovecot has it as a passdb"
    )


@dataclass(slots=True)
class Mover:
    """One run: batch by batch, each in the journal before it is written."""

    target: Target
    journal: Journal
    tell: Tell
    stopped: Stopped
    pace: Pace | None = None
    report: Report = field(default_factory=Report)

    def run(self, swaps: Sequence[Swap]) -> Report:
        return ran(self.report, self.journal, lambda: self._to_the_end(swaps), self._save)

    def _to_the_end(self, swaps: Sequence[Swap]) -> bool:
        """Whether it got there."""
        for at in range(0, len(swaps), BATCH):
            if self.stopped():
                self.report.stopped = True
                return False
            self._batch(swaps[at : at + BATCH])
        return True

    def _batch(self, some: Sequence[Swap]) -> None:
        self.journal.batch([Entry(one.row.key, None, one.new, added=True) for one in some])
        done = self.target.add(some)
        if not_added := [one for one in some if one.row.key not in done.written]:
            self.journal.batch([Entry(one.row.key, None, b"", cancelled=True) for one in not_added])
        count(self.report, some, done)
        self.report.looked_at += len(some)
        self.tell(self.report.looked_at, self.report.written)
        if self.pace:
            self.pace.wait(self.report.written, self.stopped)

    def _save(self) -> None:
        self.journal.head = replace(self.journal.head, done={"written": self.report.written})
        self.journal.save()


def taken_back(
    target: Target,
    batches: Iterator[list[Entry]],
    damaged: list[int],
    journal: Journal | None,
    stopped: Stopped,
) -> Report:
    """Remove the rows that were added and are still the same; ``journal``: None where it is only counted."""
    report, cancelled = Report(), set[Key]()
    began = time.monotonic()
    try:
        if journal:
            journal.head = replace(journal.head, state=State.UNDOING)
            journal.save()
        for batch in batches:
            if stopped():
                report.stopped = True
                break
            cancelled |= {one.key for one in batch if one.cancelled}
            ours = [
                Swap(Row(one.key, "@".join(map(str, one.key)), None), one.new)
                for one in batch
                if one.added and one.key not in cancelled
            ]
            _take(target, ours, report, writing=journal is not None)
        else:
            if journal and not (report.locked or report.failed or damaged):
                journal.head = replace(journal.head, state=State.UNDONE)
        if journal:
            journal.save()
    except (Refused, CannotObserve) as why:
        report.ended_by(why)
    if damaged:
        report.unreadable = f"{len(damaged)} batches of the journal cannot be read"
    report.seconds = time.monotonic() - began
    return report


def _take(target: Target, ours: Sequence[Swap], report: Report, *, writing: bool) -> None:
    for at in range(0, len(ours), BATCH):
        some = ours[at : at + BATCH]
        now = {row.key: row.stored for row in target.now([one.row.key for one in some])}
        there = [one for one in some if one.row.key in now]
        report.looked_at += len(some)
        report.already += len(some) - len(there)
        if writing:
            count(report, there, target.remove(there))
            continue
        same = [one for one in there if now[one.row.key] == one.new]
        report.written += len(same)
        report.changed += len(there) - len(same)
        report.note("changed meanwhile", [one.row.user for one in there if one not in same])
