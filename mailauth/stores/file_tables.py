"""The passwd-files of a path with variables, read and changed one after the other as one table."""

from collections.abc import Sequence
from pathlib import Path

from mailauth.errors import Refused
from mailauth.records import dataclass
from mailauth.stores.file_domains import domain_of, full_name
from mailauth.stores.file_table import FileTable
from mailauth.stores.swaps import Key, Obstacle, Row, Swap, Swapped

_NOTED = 1000  # of all files together


@dataclass(slots=True)
class FileTables:
    """A key is the path of a file, and that file's own key.  To be used where Dovecot lives."""

    place: str  # the path, as it is set
    files: dict[str, FileTable]  # in their order
    width: int | None = None
    apart: bool = False

    @property
    def twice(self) -> Sequence[str]:
        return [f"{name} ({at})" for at, one in self.files.items() for name in one.twice][:_NOTED]

    @property
    def bad(self) -> Sequence[int]:
        """None: a number alone does not say in which file."""
        return ()

    @property
    def passed_over(self) -> Sequence[str]:
        lines = [f"{at}:{number}: no password field" for at, one in self.files.items() for number in one.bad]
        return [*(text for one in self.files.values() for text in one.passed_over), *lines][:_NOTED]

    def identity(self) -> str:
        return f"passwd-files {self.place}"

    def obstacles(self, *, batches: bool = True) -> Sequence[Obstacle]:
        found = [obstacle for one in self.files.values() for obstacle in one.obstacles(batches=batches)]
        return list(dict.fromkeys(found))

    def count(self) -> int:
        return sum(one.count() for one in self.files.values())

    def unsortable(self) -> str:
        """A reason why they cannot be read page by page: none."""
        return ""

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        begun, own = (str(after[0]), after[1:]) if after else ("", None)
        names = list(self.files)
        for name in names[names.index(begun) if begun else 0 :]:
            if rows := self.files[name].page(own if name == begun else None, size):
                return self._here(name, rows)
        return []

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        found: list[Row] = []
        for name in dict.fromkeys(str(key[0]) for key in keys):
            if name in self.files:
                rows = self.files[name].now([key[1:] for key in keys if key[0] == name])
                found += self._here(name, rows)
        return found

    def _here(self, name: str, rows: Sequence[Row]) -> list[Row]:
        domain = domain_of(self.place, name)
        return [Row((name, *row.key), full_name(row.user, domain), row.stored, row.version) for row in rows]

    def of_users(self, users: Sequence[str]) -> Sequence[Row]:
        del users
        raise Refused(
            f"{self.place}: users are not looked up in several files: give one with --url passwd-file:/PATH."
        )

    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        """File by file, each whole.  Of a file that is gone all rows have changed."""
        done = Swapped(frozenset())
        for name in dict.fromkeys(str(one.row.key[0]) for one in swaps):
            some = [one for one in swaps if one.row.key[0] == name]
            if name not in self.files or not self.files[name].path.is_file():
                done |= Swapped(frozenset(), frozenset(one.row.key for one in some))
                continue
            own = [Swap(_own(one.row), one.new, one.null) for one in some]
            found = self.files[name].swap(own)
            done |= Swapped(
                _prefixed(name, found.written),
                _prefixed(name, found.changed),
                _prefixed(name, found.locked),
                tuple(((name, *key), why) for key, why in found.left),
            )
        return done

    def close(self) -> None:
        """Nothing is open."""


def _own(row: Row) -> Row:
    return Row(row.key[1:], row.user, row.stored, row.version)


def _prefixed(name: str, keys: frozenset[Key]) -> frozenset[Key]:
    return frozenset((name, *key) for key in keys)


def opened(template: str, paths: Sequence[Path]) -> FileTables:
    return FileTables(template, {str(path): FileTable(path) for path in paths})
