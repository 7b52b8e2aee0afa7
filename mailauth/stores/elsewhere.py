"""A store of another root: opened, read and written by a child that stays in there.

The same socket path is another server in another root, and the same file another file.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.staying import Staying
from mailauth.stores.swaps import Key, Obstacle, Row, Swap, Swapped, Table

_ROWS = 20_000  # of a page: an answer is bounded


class Noted(Table, Protocol):
    """A table with what some have more: what was odd in a file, or that there is no key."""

    @property
    def twice(self) -> Sequence[str]:
        """Names that stand twice."""

    @property
    def bad(self) -> Sequence[int]:
        """The numbers of lines that are none."""

    @property
    def passed_over(self) -> Sequence[str]:
        """Where lines are that Dovecot passes over."""

    @property
    def keyless(self) -> str:
        """That it has no key, and what to do."""


class Elsewhere:
    """What another root's store answers, whatever kind of store it is.  One call at a time."""

    def __init__(self, child: Staying, pid: int) -> None:
        self._child = child
        self.place = f"{child.ask('place')}, in the root of process {pid}"
        self.width = cast("int | None", child.ask("width"))

    def identity(self) -> str:
        return f"{self._child.ask('identity')}, in another root"

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        return cast("Sequence[Row]", self._child.ask("page", after=after, size=min(size, _ROWS)))

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        return [
            row
            for at in range(0, len(keys), _ROWS)
            for row in cast("Sequence[Row]", self._child.ask("now", keys=keys[at : at + _ROWS]))
        ]

    def close(self) -> None:
        self._child.close()


class _Table(Elsewhere):
    """A table in another root."""

    apart = False

    def __init__(self, child: Staying, pid: int, notes: frozenset[str]) -> None:
        super().__init__(child, pid)
        self._notes = notes

    @property
    def twice(self) -> Sequence[str]:
        return cast("Sequence[str]", self._noted("twice"))

    @property
    def bad(self) -> Sequence[int]:
        return cast("Sequence[int]", self._noted("bad"))

    @property
    def passed_over(self) -> Sequence[str]:
        return cast("Sequence[str]", self._noted("passed_over"))

    @property
    def keyless(self) -> str:
        return str(self._noted("keyless") or "")

    def _noted(self, name: str) -> object:
        return self._child.ask(name) if name in self._notes else ()

    def obstacles(self, *, batches: bool = True) -> Sequence[Obstacle]:
        return cast("Sequence[Obstacle]", self._child.ask("obstacles", batches=batches))

    def count(self) -> int:
        return cast("int", self._child.ask("count"))

    def unsortable(self) -> str:
        return cast("str", self._child.ask("unsortable"))

    def of_users(self, users: Sequence[str]) -> Sequence[Row]:
        return cast("Sequence[Row]", self._child.ask("of_users", users=users))

    def swap(self, swaps: Sequence[Swap]) -> Swapped:
        return cast("Swapped", self._child.ask("swap", swaps=swaps))


_T = TypeVar("_T", bound=Elsewhere)


def entered(
    dovecot: Installation, make: Callable[[], object], kind: type, wrap: Callable[[Staying, int], _T]
) -> _T:
    """``make`` opens the store where that Dovecot lives; ``kind``: the protocol that it answers by.

    Raises what it raises.
    """
    assert dovecot.pid
    child = dovecot.stay(make, kind)
    try:
        return wrap(child, dovecot.pid)
    except BaseException:
        child.close()
        raise


def opened(dovecot: Installation, make: Callable[[], Table], notes: frozenset[str]) -> Noted:
    """A table where that Dovecot lives; ``notes``: what more than a Table it has.  Raises as ``entered``."""
    return entered(dovecot, make, Noted, lambda child, pid: _Table(child, pid, notes))
