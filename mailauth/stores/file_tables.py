"""The passwd-files of a path with variables, read one after the other as one table.  Nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mailauth.errors import Refused
from mailauth.stores.file_table import FileTable
from mailauth.stores.swaps import Key, Obstacle, Row, Swap, Swapped


@dataclass(slots=True)
class FileTables:
    """A key is the number of a file, and that file's own key.  To be used where Dovecot lives."""

    place: str  # the path, as it is set
    files: tuple[FileTable, ...]
    width: int | None = None
    apart: bool = False

    def identity(self) -> str:
        return f"passwd-files {self.place}"

    def obstacles(self, *, batches: bool = True) -> Sequence[Obstacle]:
        if not batches:
            return []
        return [Obstacle("several files are not changed together; name one with --url", stops=True)]

    def count(self) -> int:
        return sum(one.count() for one in self.files)

    def unsortable(self) -> str:
        """A reason why they cannot be read page by page: none."""
        return ""

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        number, own = (int(after[0]), after[1:]) if after else (0, None)
        for at in range(number, len(self.files)):
            if rows := self.files[at].page(own if at == number else None, size):
                return [Row((at, *row.key), row.user, row.stored, row.version) for row in rows]
        return []

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        found: list[Row] = []
        for at in sorted({int(key[0]) for key in keys}):
            rows = self.files[at].now([key[1:] for key in keys if key[0] == at])
            found += [Row((at, *row.key), row.user, row.stored, row.version) for row in rows]
        return found

    def of_users(self, users: Sequence[str]) -> Sequence[Row]:
        del users
        raise Refused(f"{self.place}: mailauth cannot look users up in several files.")

    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        if swaps:
            raise Refused(f"{self.place}: several files are not changed together.")
        return Swapped(frozenset())

    def close(self) -> None:
        """Nothing is open."""


def opened(template: str, paths: Sequence[Path]) -> FileTables:
    return FileTables(template, tuple(FileTable(path) for path in paths))
