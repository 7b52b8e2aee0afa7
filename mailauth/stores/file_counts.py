"""Every stored string of passwd-files, counted by what a given Dovecot makes of it.

A file is read in blocks, a large one by two processes; ``alike.py`` says which lines need not be looked at.
"""

import os
import stat
from array import array
from collections import Counter, deque
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from mailauth import lines
from mailauth.dovecot import beside
from mailauth.oserrors import unseen
from mailauth.records import dataclass
from mailauth.stores import alike, passwd_file
from mailauth.stores.rows import Survey
from mailauth.stores.string_counts import MOST_TWICE, Progress, Question, Steps, Tally, shown

_BLOCK = 256 * 1024
_BEYOND = lines.MOST + 1  # bytes behind a block in which its last line ends, unless it is too long
_NEAR = 64 * 1024  # bytes behind a block in which its last line mostly ends
_LARGE = 32  # blocks from which processes of their own are worth it: one takes some milliseconds
_SHARES = 64  # of the names: one share is compared at a time, for memory's sake
_NO_ENTRY = frozenset({b"", b"#", b":", b"\n", b"\r"})


class _Piece(NamedTuple):
    """The lines that begin in a block; ``lines`` is None where one is too long.

    ``each``: a line's number in the block, its stored string and its name; or None, and the line, to be
    looked at.  ``alike``: how many more there are that are judged as this string is.  ``names``: hash() of
    each name but those of lines to be looked at.
    """

    lines: int | None
    each: list[tuple[int, bytes | None, bytes]]
    alike: list[tuple[bytes, int]]
    names: bytes


_encoded = msgspec.msgpack.encode
_decoded = msgspec.msgpack.Decoder(_Piece).decode


class _Names:
    """The names of a file, as hash() has them, in shares that no name is in two of."""

    def __init__(self) -> None:
        self._shares = [array("q") for _ in range(_SHARES)]
        self._add = [share.append for share in self._shares]

    def add(self, names: Iterable[int]) -> None:
        add = self._add
        for one in names:
            add[one % _SHARES](one)

    def several(self) -> set[int]:
        """Those that are there twice."""
        found = set[int]()
        for share in self._shares:
            if len(set(share)) < len(share):
                found |= {one for one, times in Counter(share).items() if times > 1}
        return found


@dataclass(slots=True)
class _Found:
    """What all files had, and the names of the one that is read."""

    tally: Tally
    steps: Steps
    odd: list[str] = field(default_factory=list)
    passed_over: "deque[str]" = field(default_factory=lambda: deque(maxlen=MOST_TWICE))
    names: _Names = field(default_factory=_Names)


def of_files(
    paths: Iterable[Path], place: str, question: Question, progress: Progress | None = None
) -> Survey:
    """Of passwd-files.  Raises CannotObserve when one cannot be read."""
    tally = Tally(question)
    found = _Found(tally, Steps(progress))
    twice: list[str] = []
    for path in paths:
        found.names = _Names()
        try:
            with passwd_file.opened(path) as file:
                _read(file, path, found, question)
            twice += _twice(path, found.names)
        except OSError as why:
            raise unseen(str(path), why, "the passwd-file cannot be read") from None
    named, kept = tuple(twice[:MOST_TWICE]), tuple(found.passed_over)
    return Survey(
        place, tally.rows, tally.classes(), tally.nulls, named, odd=tuple(found.odd), passed_over=kept
    )


def _read(file: BinaryIO, path: Path, found: _Found, question: Question) -> None:
    """In blocks, as far as no line is too long."""
    state = os.fstat(file.fileno())
    count = -(-state.st_size // _BLOCK) if stat.S_ISREG(state.st_mode) else 0
    blocks, before = 0, 0
    with closing(_pieces(file.fileno(), count, question)) as pieces:
        for piece in pieces:
            if piece.lines is None:
                break
            _count(piece, path, before, found)
            blocks, before = blocks + 1, before + piece.lines
    if count and blocks == count:
        return
    if blocks:
        file.seek(blocks * _BLOCK - 1)
        next(lines.sized(file), None)  # its line is of the block before
    for number, (line, size) in enumerate(lines.sized(file), before + 1):
        _look(line, size, (path, number), found)


def _count(piece: _Piece, path: Path, before: int, found: _Found) -> None:
    for at, stored, what in piece.each:
        if stored is None:
            _look(what, len(what), (path, before + at + 1), found)
        else:
            found.tally.add(stored, (passwd_file.shown_name(what),))
    for stored, rows in piece.alike:
        found.tally.add(stored, (), rows)
    found.names.add(memoryview(piece.names).cast("q"))
    found.steps.to(found.tally.rows)


def _look(line: bytes, size: int, place: tuple[Path, int], found: _Found) -> None:
    path, number = place
    if line[:1] in _NO_ENTRY or not passwd_file.is_entry(line):
        return
    if size > len(line):
        found.passed_over.append(f"{path}:{number}: {passwd_file.too_long(size)}")
        return
    if len(found.odd) < MOST_TWICE and (why := passwd_file.odd(line, number)):
        found.odd.append(f"{path}:{number}: {why}")
    name = passwd_file.name_of(line)
    found.names.add((hash(name),))
    found.tally.add(passwd_file.stored_of(line), (passwd_file.shown_name(name),))
    found.steps.to(found.tally.rows)


def _pieces(descriptor: int, count: int, question: Question) -> Generator[_Piece]:
    """Of so many blocks, in order."""
    part, kinds = alike.of_lines(text=question.text), alike.Kinds(question.names)

    def piece(number: int) -> _Piece:
        block = _block(descriptor, number)
        return _Piece(None, [], [], b"") if block is None else _piece(part(block), kinds)

    heard = 0
    if count >= _LARGE and beside.worth_it():
        with closing(beside.done(lambda number: _encoded(piece(number)), count)) as done:
            for said in done:
                yield _decoded(said)
                heard += 1
    yield from map(piece, range(heard, count))


def _piece(found: list[alike.Parts], kinds: alike.Kinds) -> _Piece:
    if not found:
        return _Piece(0, [], [], b"")
    names, heads, tails, paddings, odd = zip(*found, strict=True)
    each, more = kinds.count((heads, tails, paddings))
    told = [(at, stored, odd[at] if stored is None else names[at]) for at, stored in each]
    return _Piece(len(found), told, more, array("q", map(hash, filter(None, names))).tobytes())


def _block(descriptor: int, number: int) -> bytes | None:
    """The lines that begin in it, each after its newline; None: one is too long."""
    for behind in (_NEAR, _BEYOND):
        if number:
            text = os.pread(descriptor, _BLOCK + behind, number * _BLOCK - 1)
        else:
            text = b"\n" + os.pread(descriptor, _BLOCK + behind - 1, 0)
        end = text.find(b"\n", _BLOCK)
        if end >= 0 or len(text) < _BLOCK + behind:
            break
    first, last = text.find(b"\n", 0, _BLOCK), text.rfind(b"\n", 0, _BLOCK)
    if first < 0:
        return b""
    if end < 0:
        end = len(text) - text.endswith(b"\n")
    return None if end - last > lines.MOST else text[first:end]


def _twice(path: Path, names: _Names) -> list[str]:
    """The names that stand in several lines: those with the same hash are read again."""
    several = names.several()
    if not several:
        return []
    counts: dict[bytes, int] = {}
    with passwd_file.opened(path) as file:
        for line, _ in lines.sized(file):
            name = line.partition(b":")[0]
            if line[:1] not in _NO_ENTRY and hash(name) in several:
                counts[name] = counts.get(name, 0) + 1
                if len(counts) > MOST_TWICE:
                    break
    shown_names = (passwd_file.shown_name(name) for name, count in counts.items() if count > 1)
    return [shown(name) for name in shown_names]
