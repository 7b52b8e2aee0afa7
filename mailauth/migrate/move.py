"""Rows of one store put into another: moved, or merged; nothing is removed where they come from.

Every string gets the scheme that counts for it where it is, so that it lets in the same passwords whatever
the default scheme is where it goes.  Who is there already is never written over: a name with another
string, in other case, or twice, is listed and left.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import islice
from typing import TypeVar

from mailauth.errors import Refused
from mailauth.hashes import Flaw, Hash
from mailauth.hashes.accepts import version_text
from mailauth.hashes.damaged import Reader, has_scheme
from mailauth.hashes.nature import parsed_by
from mailauth.migrate.apply import Report, Stopped, Tell, count, pages, ran
from mailauth.migrate.aside import Aside, Pile
from mailauth.migrate.decide import same_passwords
from mailauth.migrate.journal import Entry, Journal
from mailauth.migrate.pace import Pace
from mailauth.migrate.users_out import Each
from mailauth.records import dataclass
from mailauth.stores.adding import Target, folded
from mailauth.stores.rows import Listed
from mailauth.stores.swaps import Row, Swap

KIND = "move"  # of its journal
BATCH = 500
_GENTLE = 100
_PAGE = 20_000
_SHARE = 20  # a file is written again for a twentieth of its lines
_NAMED = 5
ADD, THERE = "add", "there"
OTHER = "the target has it with another string"
CASE = "the target has it in other upper and lower case"
TWICE = "the source has it twice, or in two spellings"
NO_DOMAIN = "it has no domain, and names there have one: --domain adds one"
DOMAIN = "it has a domain, and no name there has one"
NAMED_IN = "its hash has the user's name in it, and that is another one with --domain: nobody could log in"
NO_PASSWORD = "no password is stored"  # noqa: S105 - an outcome
NO_NAME = "the name is empty"
NOT_UTF8 = "the name is not UTF-8"
AS_IT_IS = "no scheme keeps its meaning: another default scheme would let others in, or nobody"


@dataclass(frozen=True, slots=True)
class MoveKind:
    """What becomes of some rows; ``why`` is "" for those that are added or there already."""

    what: str
    rows: int
    users: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Moving:
    """What is to be done.  ``swaps`` are secrets; ``there``: how many rows the target has."""

    place: str
    kinds: tuple[MoveKind, ...]
    notes: tuple[str, ...]
    swaps: Pile[Swap] = field(repr=False)
    there: int

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
class _Planning:
    """What becomes of each, page by page."""

    reader: Reader
    reads: Reader
    target: Target
    aside: Aside
    domain: str
    accept_fields: bool
    each: Each | None
    adds: Pile[Swap]
    known: Sequence[str]  # what the target said before
    asked: list[tuple[Swap, bytes]] = field(default_factory=list, repr=False)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    users: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    shut: list[str] = field(default_factory=list)  # some of them
    shut_out: int = 0  # that match no password there

    def page(self, rows: Sequence[Listed]) -> None:
        users = _names(rows, self.domain)
        there, twice = self.aside.alike(users), self.aside.twice(users)
        for one in rows:
            user = _named(one, self.domain)
            if user is None:
                self._is(one.user.decode("utf-8", "replace"), "left", NOT_UTF8)
            elif not user:
                self._is(user, "left", NO_NAME)
            elif one.no_login:
                self._is(user, "left", one.no_login)
            elif one.fields and not self.accept_fields:
                self._is(user, "left", f"it has {', '.join(one.fields)}, which would be lost")
            elif not one.stored:
                self._is(user, "left", NO_PASSWORD)
            elif folded(user) in twice:
                self._is(user, "left", TWICE)
            else:
                renamed = user.encode() != one.user
                self._one(user, one.stored, there.get(folded(user), {}), renamed=renamed)
        self._tried()

    def _is(self, user: str, what: str, why: str = "", beside: str = "") -> None:
        """``beside``: what belongs to this user alone."""
        self.counts[what, why] += 1
        users = self.users[what, why]
        users += [user + beside] if len(users) < _NAMED else []
        if self.each:
            self.each(user, what, "", "", why + beside)

    def _one(self, user: str, stored: bytes, names: Mapping[str, bytes], *, renamed: bool) -> None:
        """``names``: who has this name there, in any letters, with the digest of the string.

        ``renamed``: the name is another one than in the source.
        """
        own = carried(stored, self.reader)
        if own is None:
            self._is(user, "left", AS_IT_IS)
            return
        new = self.target.form(own)
        if user in names:
            same = names[user] in (self.aside.digest(new), self.aside.digest(stored))
            self._is(user, *((THERE,) if same else ("left", OTHER)))
        elif names:
            self._is(user, "left", CASE, f" ({', '.join(names)})")
        elif why := self._not_by_domain(user):
            self._is(user, "left", why)
        elif renamed and _of_a_name(parsed_by(self.reader, own)):
            self._is(user, "left", NAMED_IN)
        else:
            self._added(user, new, own)

    def _not_by_domain(self, user: str) -> str:
        with_domain, rows = self.aside.with_domain, self.aside.rows
        if "@" not in user:
            return NO_DOMAIN if rows and with_domain == rows else ""
        return DOMAIN if rows and not with_domain else ""

    def _added(self, user: str, new: bytes, own: bytes) -> None:
        """``own``: the string in Dovecot's form."""
        why = self.target.unfit(new)
        key = why or self.target.key(user)
        if isinstance(key, str):
            self._is(user, "left", key)
        else:
            self.asked.append((Swap(Row(key, user, None), new), own))

    def _tried(self) -> None:
        """Those of a page that are to be added: the store may say of some that it will not."""
        refused = dict(self.target.refused([one for one, _ in self.asked]))
        for one, own in self.asked:
            if why := refused.get(one.row.key):
                self._is(one.row.user, "left", why)
                continue
            self.adds.add(one)
            self._is(one.row.user, ADD)
            if isinstance(parsed_by(self.reads, own), Flaw):
                self.shut_out += 1
                self.shut += [one.row.user] if len(self.shut) < _NAMED else []
        self.asked.clear()

    def kinds(self) -> tuple[MoveKind, ...]:
        found = [
            MoveKind(what, rows, tuple(self.users[what, why]), why)
            for (what, why), rows in self.counts.most_common()
        ]
        return tuple(sorted(found, key=lambda kind: (bool(kind.why), kind.what)))

    def notes(self) -> Iterator[str]:
        """What nobody is kept from by, and somebody should look at."""
        if self.shut_out:  # locked, broken, or of a scheme that is refused there
            some = ", ".join(self.shut) + (" ..." if self.shut_out > _NAMED else "")
            yield (
                f"{self.shut_out} of the rows let nobody in there, as Dovecot"
                f" {version_text(self.reads.dovecot)} reads them (locked, broken, or a scheme that it"
                f" refuses): {some}"
            )
        if alike := self.aside.without_domain(_NAMED):
            yield f"names without a domain may be these users there: {', '.join(alike)}"
        yield from (*self.known, *self.target.notes())
        yield (
            "only stored strings are moved, not uid, gid, home, quota and aliases; nothing is removed from"
            f" the source. Dovecot asks {self.target.place} only if it is one of its passdbs"
        )


def plan(
    found: Iterable[Listed],
    reader: Reader,
    target: Target,
    aside: Aside,
    domain: str = "",
    each: Each | None = None,
    *,
    reads: Reader | None = None,
    accept_fields: bool = False,
    tell: Tell,
) -> Moving:
    """Reads both, changes nothing; ``reads``: who reads the strings there.  ``aside`` holds what is found.

    ``tell`` counts the rows of both stores, and then those of the source again, which are judged.

    The source is read once, and whole, before anything is judged.

    Raises CannotObserve, and Refused with all that stops it.
    """
    obstacles = target.obstacles()
    if stops := [one.says for one in obstacles if one.stops]:
        raise Refused(f"CANNOT BE DONE: {'; '.join(stops)}.")
    looked = 0
    for rows in pages(target, None, _PAGE):
        aside.there(rows)
        tell(looked := looked + len(rows), 0)
    source = aside.pile(Listed)
    for some in _by(iter(found), lambda: _PAGE):
        rows_of = [one for one in some if not one.never]
        aside.ours(_names(rows_of, domain))
        for one in rows_of:
            source.add(one)
        tell(looked := looked + len(some), 0)
    aside.ready()
    adds = aside.pile(Swap)
    known = [one.says for one in obstacles]
    planning = _Planning(reader, reads or reader, target, aside, domain, accept_fields, each, adds, known)
    for some in _by(iter(source), lambda: BATCH):
        planning.page(some)
        tell(looked := looked + len(some), 0)
    return Moving(target.place, planning.kinds(), tuple(planning.notes()), adds, aside.rows)


_T = TypeVar("_T")


def _by(rows: Iterator[_T], size: Callable[[], int]) -> Iterator[list[_T]]:
    """So many at a time."""
    while some := list(islice(rows, size())):
        yield some


def _of_a_name(found: Hash | Flaw) -> bool:
    return isinstance(found, Hash) and found.scheme.of_user


def _names(rows: Sequence[Listed], domain: str) -> list[str]:
    """Of those by whom somebody may log in."""
    return [user for one in rows if not one.no_login and (user := _named(one, domain)) is not None]


def _named(one: Listed, domain: str) -> str | None:
    """The name there; ``domain``: of names without one, or OLD=NEW.  None where it is not UTF-8."""
    try:
        user = one.user.decode()
    except UnicodeDecodeError:
        return None
    old, renaming, new = domain.partition("=")
    if not renaming:
        return f"{user}@{domain}" if domain and "@" not in user else user
    name, _, own = user.rpartition("@")
    return f"{name}@{new}" if name and own.lower() == old.lower() else user


@dataclass(slots=True)
class Mover:
    """One run: batch by batch, each in the journal before it is written."""

    target: Target
    journal: Journal
    tell: Tell
    stopped: Stopped
    pace: Pace | None = None
    report: Report = field(default_factory=Report)

    def run(self, found: Moving) -> Report:
        return ran(self.report, self.journal, lambda: self._to_the_end(found), self._save)

    def _to_the_end(self, found: Moving) -> bool:
        """Whether it got there."""
        rows = iter(found.swaps)
        gentle = self.pace is not None and self.pace.auto
        for some in _by(
            rows, lambda: batch_of(self.target, found.there + self.report.written, gentle=gentle)
        ):
            if self.stopped():
                self.report.stopped = True
                return False
            self._batch(some)
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
            self.pace.probe(partial(self.target.now, [some[0].row.key]))
            self.pace.wait(self.report.written, self.stopped)

    def _save(self) -> None:
        self.journal.head = replace(self.journal.head, done={"written": self.report.written})
        self.journal.save()


def batch_of(target: Target, rows: int, *, gentle: bool = False) -> int:
    """How many rows go at once into a target of so many: what is replaced whole is not for each few.

    ``gentle``: the rate follows the store's answers, which are measured between two batches.
    """
    least = _GENTLE if gentle else BATCH
    return min(_PAGE, max(least, rows // _SHARE)) if target.whole else least
