"""Every stored string of a passdb, counted by what a given Dovecot makes of it.

A database counts where the rows are, and only what is odd comes back as it is; a passwd-file and SQLite
are read row by row.  Either way each string is judged by the same parser, memory is bounded whatever the
number of rows, and what is kept has no salt, no digest and no password in it.
"""

import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field, replace
from itertools import islice
from pathlib import Path

from mailauth import hashes
from mailauth.dovecot import inroot
from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import CannotObserve
from mailauth.hashes import Flaw, Hash, Params, judge, notation
from mailauth.hashes.bare import is_hex
from mailauth.hashes.damaged import Damage, Kind, Reader
from mailauth.hashes.nature import judged
from mailauth.hashes.schemes import AS_TEXT, ITSELF, called
from mailauth.records import dataclass
from mailauth.stores import alike, forms, grouping, nonsense, passwd_file, streaming
from mailauth.stores.database import Value
from mailauth.stores.databases import DATABASES
from mailauth.stores.query import VARIABLE
from mailauth.stores.rows import HashClass, Survey

MOST_CLASSES = 2000  # beyond, classes lose their lengths and details
MOST_TWICE = 1000  # users with several entries that are listed
_CLASSIFIED = 20_000  # damaged rows that are looked at one by one; later ones of a known shape are not
_AT_ONCE = 10_000  # rows that are looked at together
_STEP = 50_000  # rows between two reports of progress

Progress = Callable[[int], None]


class Steps:
    """Tells of progress now and then."""

    def __init__(self, progress: Progress | None, every: int = _STEP) -> None:
        self._progress, self._every, self._next = progress, every, every

    def to(self, rows: int) -> None:
        """So many were read by now."""
        if rows >= self._next and self._progress:
            self._progress(rows)
            self._next = rows - rows % self._every + self._every


@dataclass(frozen=True, slots=True)
class Question:
    """Who reads the strings, and how many users are named for each class.

    ``today``: who reads them now, where ``reader`` is another version: what is a hash today is no password
    tomorrow.
    """

    reader: Reader
    names: int = 5
    today: Reader | None = None

    @property
    def text(self) -> bool:
        """What has no scheme is a password as it is, and never was anything else."""
        return (self.today or self.reader).default_scheme in AS_TEXT


_Key = tuple[str, Params, bool, int, Damage | None, str, tuple[str, ...]]


@dataclass(slots=True)
class _Count:
    one: HashClass
    rows: int = 0
    users: list[str] = field(default_factory=list)


class Tally:
    """Strings go in one by one, or many of a kind at once; classes come out."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._reader = question.reader
        self._sound: dict[tuple[object, ...], _Count] = {}
        self._counts: dict[_Key, _Count] = {}
        self._shapes: dict[bytes, _Count] = {}
        self._classified = 0
        self.rows = self.nulls = 0

    def add(self, stored: bytes | None, users: Iterable[bytes], rows: int = 1) -> None:
        self.rows += rows
        if stored is None:
            self.nulls += rows
            return
        count = self._count(stored)
        count.rows += rows
        if len(count.users) < self._question.names:
            count.users += [shown(user) for user in users if user]

    def classes(self) -> tuple[HashClass, ...]:
        """The largest first."""
        names = self._question.names
        found = (
            replace(one.one, rows=one.rows, users=tuple(dict.fromkeys(one.users))[:names])
            for one in self._counts.values()
        )
        return tuple(sorted(found, key=lambda one: (-one.rows, one.shown, one.length)))

    def _count(self, stored: bytes) -> _Count:
        named = stored[:1] == b"{" and not self._reader.noscheme
        parsed = hashes.parse(self._reader.taken(stored), default_scheme=self._reader.default_scheme)
        if isinstance(parsed, Hash) and (key := self._alike(stored, named, parsed)):
            count = self._sound.get(key)
            if count is None:
                count = self._judged(stored, named, parsed)
                if len(self._sound) < MOST_CLASSES:
                    self._sound[key] = count
            return count
        if self._classified < _CLASSIFIED:
            self._classified += 1
            return self._judged(stored, named, parsed)
        shape = stored if len(stored) < _WORD else stored.translate(_SHAPE) + stored[-1:]
        count = self._shapes.get(shape)
        if count is None:
            count = self._judged(stored, named, parsed)
            if len(self._shapes) < MOST_CLASSES:
                self._shapes[shape] = count
        return count

    def _alike(self, stored: bytes, named: bool, parsed: Hash) -> tuple[object, ...] | None:
        """What is judged once for all that share it: everything that counts is in it; None: one by one."""
        scheme = parsed.scheme
        if scheme.name in AS_TEXT:
            text = bytes(parsed.payload)
            if scheme.name not in ITSELF or not forms.ordinary(text) or notation.encoded(text):
                return None
            return scheme.name, parsed.encoding, named, None if named else self._today(stored)
        if notation.encoded(stored.rpartition(b"}")[2]):
            return None
        end = stored[-forms.CASE :]
        case = notation.one_case(parsed.payload) if end.islower() or end.isupper() else ""
        hexed = scheme.default_encoding == "BASE64" and is_hex(stored.rpartition(b"}")[2])
        return scheme.name, parsed.encoding, parsed.params, named, len(stored), case, hexed

    def _judged(self, stored: bytes, named: bool, as_any: Hash | Flaw) -> _Count:
        """As this Dovecot judges it; ``as_any``: as a Dovecot that knows all schemes takes it."""
        reader = self._reader
        judgement = judged(stored, reader)
        parsed, damage, perhaps = judgement.parsed, judgement.damage, judgement.perhaps
        if damage is None and (now := self._today(stored)):
            damage = Damage(Kind.NO_PREFIX, f"{called(now)} without {{{now}}} before it", True, now)
            perhaps = ()
        known = parsed if isinstance(parsed, Hash) else as_any
        if isinstance(known, Hash):
            scheme, text = known.scheme.name, known.scheme.name in AS_TEXT
            params = () if text else known.params
            shown = known.shown if named else known.shown.rpartition("}")[2]
        else:
            taken_so = reader.taken(stored) is stored
            shown = (
                judge.shown_broken(stored)
                if taken_so
                else hashes.shown(stored, default_scheme=reader.default_scheme)
            )
            written = hashes.identify(stored)
            scheme, params, text = (written.name if written else ""), (), False
        length = 0 if text else len(stored)
        if len(self._counts) >= MOST_CLASSES:
            shown, params, length = shown.partition("(")[0], (), 0
            damage = replace(damage, detail="in many ways") if damage else None
        key = (scheme, params, named, length, damage, shown, perhaps)
        count = self._counts.get(key)
        if count is None:
            one = HashClass(shown, scheme, params, named, length, damage, perhaps=perhaps)
            count = self._counts[key] = _Count(one)
        return count

    def _today(self, stored: bytes) -> str:
        """The scheme of a bare string that is a hash now, and will be taken for a password; "" otherwise."""
        today, then = self._question.today, self._reader
        if today is None or then.default_scheme not in AS_TEXT or stored[:1] == b"{":
            return ""
        parsed = hashes.parse(today.taken(stored), default_scheme=today.default_scheme)
        will = hashes.parse(then.taken(stored), default_scheme=then.default_scheme)
        if isinstance(parsed, Flaw) or isinstance(will, Flaw) or will.scheme.name not in AS_TEXT:
            return ""
        return "" if parsed.scheme.name in AS_TEXT else parsed.scheme.name


# Letters are alike that are hex digits or not, and of one case; digits too; everything else counts
_SHAPE = bytes.maketrans(
    (string.ascii_letters + string.digits).encode(), b"a" * 6 + b"x" * 20 + b"A" * 6 + b"X" * 20 + b"9" * 10
)
_WORD = 10  # characters: what is shorter may be a word that counts, as "NULL"


def files_of(template: str, locate: Callable[[str], Path] = Path) -> tuple[str, ...]:
    """The names of the passwd-files of a path with variables: all that are there.

    ``locate`` turns a path as Dovecot sees it into one that we can open.  Raises CannotObserve for none.
    """
    every = inroot.names(VARIABLE.sub("*", template), locate)
    found = tuple(name for name in every if locate(name).is_file())
    if not found:
        raise CannotObserve(f"{template}: there is no such passwd-file.")
    return found


def of_database(
    source: SqlSource, question: Question, query: str | None = None, progress: Progress | None = None
) -> Survey:
    """Of a database; ``query``: a SELECT of all passwords, instead of Dovecot's own.

    To be called where Dovecot lives, like ``sql.lookup``.  Raises CannotObserve.
    """
    place = grouping.GIVEN if query else source.query_place or source.place
    rows = grouping.rows_of(query or source.query, place)
    tally = Tally(question)
    with streaming.opened(source) as link, nonsense.named(link.place):
        database = DATABASES[source.driver]
        if database.replacing is not None and link.replaces:
            parted = grouping.parted(database.replacing, rows, text=question.text)
            for kind, length, count, *users in link.rows(parted):
                known = None if kind is None else grouping.string_of(_bytes(kind) or b"", int(length or 0))
                tally.add(known, (_bytes(user) or b"" for user in users), int(count or 0))
        elif database.counting is None:
            each = link.rows(grouping.each(rows))
            in_blocks(iter(lambda: list(islice(each, _AT_ONCE)), []), tally, question, Steps(progress))
        else:
            counted = grouping.counting(database.counting, rows, text=question.text)
            for stored, count, least, most in link.rows(counted):
                tally.add(_bytes(stored), (_bytes(least) or b"", _bytes(most) or b""), int(count or 0))
        twice = link.rows(grouping.twice(rows, MOST_TWICE)) if rows.key and rows.single else iter(())
        names = tuple(shown(_bytes(user) or b"") for user, _ in twice)
        column = link.column(grouping.one_column(rows))
        return Survey(link.place, tally.rows, tally.classes(), tally.nulls, names, column)


def in_blocks(
    blocks: Iterable[Sequence[tuple[Value, ...]]], tally: Tally, question: Question, steps: Steps
) -> None:
    """Strings and users, many at once: equal to adding each."""
    part, kinds = alike.of_strings(text=question.text), alike.Kinds(question.names)
    for some in blocks:
        strings = [_bytes(stored) for stored, _ in some]
        heads, tails, paddings = zip(*part(strings), strict=True)
        each, more = kinds.count((heads, tails, paddings))
        for at, _ in each:
            tally.add(strings[at], (_bytes(some[at][1]) or b"",))
        for stored, count in more:
            tally.add(stored, (), count)
        steps.to(tally.rows)


def shown(name: bytes) -> str:
    return passwd_file.quoted(passwd_file.without_hash(name).decode("utf-8", "replace"))


def _bytes(value: Value) -> bytes | None:
    return str(value).encode() if isinstance(value, int) else value
