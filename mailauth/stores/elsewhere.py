"""A table of another root: opened, read and written by a child that stays in there.

The same socket path is another server in another root, and the same file another file.
"""

from collections.abc import Callable, Sequence
from typing import cast

from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.staying import Staying
from mailauth.stores.swaps import Key, Obstacle, Row, Swap, Swapped, Table

_ROWS = 20_000  # of a page: an answer is bounded


class Elsewhere:
    """What the other root's table answers.  One call at a time."""

    apart = False

    def __init__(self, child: Staying, pid: int, *, lines: bool) -> None:
        self._child, self._lines = child, lines
        self.place = f"{child.ask('place')}, in the root of process {pid}"
        self.width = cast("int | None", child.ask("width"))

    @property
    def twice(self) -> Sequence[str]:
        return cast("Sequence[str]", self._child.ask("twice") if self._lines else ())

    @property
    def bad(self) -> Sequence[int]:
        return cast("Sequence[int]", self._child.ask("bad") if self._lines else ())

    def identity(self) -> str:
        return f"{self._child.ask('identity')}, in another root"

    def obstacles(self) -> Sequence[Obstacle]:
        return cast("Sequence[Obstacle]", self._child.ask("obstacles"))

    def count(self) -> int:
        return cast("int", self._child.ask("count"))

    def unsortable(self) -> str:
        return cast("str", self._child.ask("unsortable"))

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        return cast("Sequence[Row]", self._child.ask("page", after, min(size, _ROWS)))

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        return [
            row
            for at in range(0, len(keys), _ROWS)
            for row in cast("Sequence[Row]", self._child.ask("now", keys[at : at + _ROWS]))
        ]

    def of_users(self, users: Sequence[str]) -> Sequence[Row]:
        return cast("Sequence[Row]", self._child.ask("of_users", users))

    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        return cast("Swapped", self._child.ask("swap", swaps))

    def close(self) -> None:
        self._child.close()


def opened(dovecot: Installation, make: Callable[[], Table], *, lines: bool) -> Elsewhere:
    """``make`` opens the table where that Dovecot lives; ``lines``: of one file.  Raises what it raises."""
    assert dovecot.pid
    child = dovecot.stay(make)
    try:
        return Elsewhere(child, dovecot.pid, lines=lines)
    except BaseException:
        child.close()
        raise
