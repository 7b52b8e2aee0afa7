"""A passwd-file as a table: read in pages of lines, and replaced whole for each batch of swaps.

The first line of a name counts, as for Dovecot; later ones are left as they are.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from mailauth import lines
from mailauth.errors import Refused
from mailauth.records import dataclass
from mailauth.stores import obstacles, passwd_file, replace
from mailauth.stores.once import Once
from mailauth.stores.swaps import Key, Obstacle, Row, Swap, Swapped, not_kept

_NOTED = 1000  # lines of a kind that are noted
PAUSES = (*(0.02 * 1.3**n for n in range(16)), *[1.0] * 20)  # seconds between tries of a busy file; 30 s


@dataclass(slots=True)
class FileTable:
    """One passwd-file.  To be used where Dovecot lives.  A key is the number of a line, and its user.

    ``mark`` parts its fields: docker-mailserver's own list of accounts has another, and Dovecot's file is
    made of that list (its target/scripts/helpers/accounts.sh).
    """

    path: Path
    mark: bytes = passwd_file.MARK
    width: int | None = None
    apart: bool = False
    twice: list[str] = field(default_factory=list)  # users of lines that Dovecot never looks at
    bad: list[int] = field(default_factory=list)  # lines without a password field
    passed_over: list[str] = field(default_factory=list)  # lines that are too long
    _seen: Once = field(default_factory=Once)
    _at: int = 0  # lines read so far

    @property
    def place(self) -> str:
        return str(self.path)

    def identity(self) -> str:
        return f"passwd-file {self.path.resolve()}"

    def obstacles(self, *, batches: bool = True) -> Sequence[Obstacle]:
        del batches
        return list(obstacles.of_file(self.path))

    def count(self) -> int:
        with self._open() as found:
            return sum(bool(passwd_file.name_of(line, self.mark)) for line, _ in found)

    def unsortable(self) -> str:
        """A reason why it cannot be read page by page: none."""
        return ""

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        """Pages are asked for one after the other.  Where lines moved meanwhile, it begins again."""
        if after is None:
            self._seen, self._at, self.twice, self.bad, self.passed_over = Once(), 0, [], [], []
            with self._open() as found:
                return list(islice(self._rows(found, 0), size))
        start, name = int(after[0]), after[1]
        with self._open() as found:
            for number, (line, _) in enumerate(islice(found, max(start, self._at)), 1):
                if number > self._at:
                    self._first(passwd_file.name_of(line, self.mark))
                if number == start and _text(passwd_file.name_of(line, self.mark)) == name:
                    name = ""
            if not name:
                self._at = max(start, self._at)
                return list(islice(self._rows(found, self._at), size))
        return self.page(None, size)

    def _rows(self, found: Iterator[tuple[bytes, int]], start: int) -> Iterator[Row]:
        for number, (line, length) in enumerate(found, start + 1):
            self._at = number
            name = passwd_file.name_of(line, self.mark)
            if not name:
                continue
            shown = name.decode("utf-8", "replace")
            if not self._first(name):
                _note(self.twice, shown)
                continue
            if length > len(line):
                _note(self.passed_over, f"{self.path}:{number}: {passwd_file.too_long(length)}")
                continue
            if self.mark not in line:
                _note(self.bad, number)
            yield Row((number, _text(name)), shown, passwd_file.stored_of(line, self.mark))

    def _first(self, name: bytes) -> bool:
        return bool(name) and self._seen.first(name)

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        wanted = {key[1]: key for key in keys}
        found = []
        with self._open() as there:
            for line, length in there:
                if length > len(line):
                    continue
                key = wanted.pop(_text(passwd_file.name_of(line, self.mark)), None)
                if key is not None:
                    found.append(Row(key, str(key[1]), passwd_file.stored_of(line, self.mark)))
        return found

    def of_users(self, users: Sequence[str]) -> Sequence[Row]:
        return self.now([(0, user) for user in users])

    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        if not swaps:
            return Swapped(frozenset())
        for one in swaps:
            if any(char in one.new for char in b":\n\r\0" + self.mark):
                raise Refused(f"{self.path}: a passwd-file cannot hold a string with a colon or a line end.")
        pauses = iter(PAUSES)
        while True:
            try:
                work, now = self._once(swaps)
                break
            except replace.MovedError:
                if (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - not to go in step with who writes it
        left = not_kept([one for one in swaps if one.row.key in work.written], now)
        keys = frozenset(one.row.key for one in swaps)
        return Swapped(frozenset(work.written) - left.keys(), keys - work.written, left=tuple(left.items()))

    def _once(self, swaps: Sequence[Swap]) -> tuple["_Pass", dict[Key, bytes | None]]:
        """What was written, and what these rows hold now.  Raises MovedError where another was faster."""
        work = _Pass({one.row.key[1]: one for one in swaps}, self.mark)
        with replace.opened(self.path) as found, replace.locked(found) as place, place.reader() as file:
            replace.replace(place, work.changed(file))
            return work, {row.key: row.stored for row in self.now(list(work.written))}

    def close(self) -> None:
        """Nothing is open."""

    def _open(self) -> "_Lines":
        return _Lines(self.path)


_T = TypeVar("_T")


def _note(found: list[_T], one: _T) -> None:
    if len(found) < _NOTED:
        found.append(one)


class _Lines:
    """The lines of a file, each with its length, as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = ExitStack()

    def __enter__(self) -> Iterator[tuple[bytes, int]]:
        try:
            file = self._open.enter_context(passwd_file.opened(self._path))
        except OSError as why:
            raise Refused(f"{self._path}: cannot be read ({why.strerror}).") from None
        return lines.sized(file)

    def __exit__(self, *_error: object) -> None:
        self._open.close()


@dataclass(slots=True)
class _Pass:
    """One copy of the file, with the new strings in it."""

    wanted: dict[int | str, Swap]
    mark: bytes
    written: set[Key] = field(default_factory=set)

    def changed(self, file: BinaryIO) -> Iterator[bytes]:
        """A line that is too long goes through in pieces, as it is."""
        begins = True
        while line := file.readline(lines.MOST):
            name = passwd_file.name_of(line, self.mark) if begins else b""
            begins = line.endswith(b"\n")
            one = self.wanted.pop(_text(name), None) if name else None
            cut = not begins and len(line) == lines.MOST
            if one is None or cut or passwd_file.stored_of(line, self.mark) != one.row.stored:
                yield line
                continue
            self.written.add(one.row.key)
            yield passwd_file.with_stored(line, one.new, self.mark)


def _text(name: bytes) -> str:
    """Names need not be UTF-8."""
    return name.decode("utf-8", "surrogateescape")
