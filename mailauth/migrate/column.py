"""What a whole column shows and no string alone: that a program made its strings.

People choose passwords of many lengths.  Where most strings of one length may be hashes, or most strings of
a column are as long as each other and look made by chance, a program made them: hashes, or passwords that
it gave out.  Nothing tells which, so they are left until somebody says (docs/decisions/405).  So this only
ever leaves what would be hashed.
"""

import math
import time
from collections import Counter
from dataclasses import field

from mailauth.hashes import bare
from mailauth.hashes.nature import Judged, judged
from mailauth.migrate.alike import formed
from mailauth.migrate.apply import Tell, pages
from mailauth.migrate.decide import Action, Wishes
from mailauth.records import dataclass
from mailauth.stores.swaps import Paged

_ENOUGH = 8  # strings of a length, before their number says anything
_MOSTLY = 3  # that may be hashes, for each password of that length
_LONGEST = 512  # bytes of what is counted
_LOOK = 1000  # rows between two looks at the clock


@dataclass(slots=True)
class Column:
    """What counts as a password as it stands, counted by its length in bytes."""

    texts: int = 0  # that are passwords by themselves, or look made by chance
    open: Counter[int] = field(default_factory=Counter)  # that may be hashes by themselves
    chance: Counter[int] = field(default_factory=Counter)  # that look made by chance
    passwords: Counter[int] = field(default_factory=Counter)  # that are passwords by themselves

    def add(self, seen: Judged) -> None:
        text = seen.text
        size, by_chance = len(text), bare.by_chance(text)
        if not bare.LEAST <= size <= _LONGEST:
            self.texts += bool(text)
            return
        self.open[size] += bool(seen.perhaps)
        self.passwords[size] += not seen.perhaps
        self.chance[size] += by_chance
        self.texts += by_chance or not seen.perhaps

    def made(self) -> frozenset[int]:
        """Lengths of strings that are taken for no passwords in this column."""
        return frozenset(size for size, count in self.passwords.items() if count and self._made(size))

    def _made(self, size: int) -> bool:
        left, by_chance = self.open[size], self.chance[size]
        beside = left >= _ENOUGH and left >= _MOSTLY * self.passwords[size]
        return beside or (by_chance >= _ENOUGH and 2 * by_chance >= self.texts)


def matters(wishes: Wishes) -> bool:
    """Whether a plaintext would be hashed at all."""
    return any(rule.action is Action.REHASH for rule in wishes.rules)


def made(table: Paged, wishes: Wishes, page: int, tell: Tell, seconds: float = math.inf) -> frozenset[int]:
    """The lengths, after all was read, or what is judged in so many seconds; none where nothing is hashed.

    Raises Refused, CannotObserve.
    """
    if not matters(wishes):
        return frozenset()
    column, until, rows = Column(), time.monotonic() + seconds, 0
    for some in pages(table, None, page):
        for row in some:
            rows += 1
            if row.stored and not formed(row.stored):
                column.add(judged(row.stored, wishes.reader))
            if not rows % _LOOK and time.monotonic() > until:
                return column.made()
        tell(rows, 0)
    return column.made()
