"""CSV that we write: no spreadsheet takes a cell of it for a formula, and we read the same again."""

import csv
from collections.abc import Iterable
from dataclasses import field
from io import TextIOBase
from typing import Any, TextIO

from mailauth.records import dataclass
from mailauth.visible import visible_cell


@dataclass(slots=True)
class Sheet:
    """Writes rows to ``file``; ``defused``: how many cells got an apostrophe so far."""

    file: TextIO | TextIOBase
    defused: int = 0
    _writer: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._writer = csv.writer(self.file, lineterminator="\n")

    def write(self, cells: Iterable[str]) -> None:
        made = []
        for cell in cells:
            shown = visible_cell(cell)
            self.defused += shown[:1] == "'" and shown != cell
            made.append(shown)
        self._writer.writerow(made)
