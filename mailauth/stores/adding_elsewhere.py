"""Rows that are added to a store of another root: by a child that stays in there."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from mailauth.dovecot.authconfig import Source, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.staying import Staying
from mailauth.stores import sql
from mailauth.stores.adding import Target, target_of
from mailauth.stores.swaps import Key, Obstacle, Row, Swap, Swapped


def opened(dovecot: Installation, source: Source, fill: Mapping[str, str]) -> Target:
    """In the place that the store belongs to.  Raises what ``target_of`` does."""
    if not dovecot.pid:
        return target_of(source, fill)
    if isinstance(source, SqlSource):
        sql.prepare(source)
    child = dovecot.stay(partial(target_of, source, fill), Target)
    try:
        return _Elsewhere(child, dovecot.pid)
    except BaseException:
        child.close()
        raise


class _Elsewhere:
    """What the other root's target answers."""

    def __init__(self, child: Staying, pid: int) -> None:
        self._child = child
        self.place = f"{child.ask('place')}, in the root of process {pid}"
        self.width = cast("int | None", child.ask("width"))

    def identity(self) -> str:
        return f"{self._child.ask('identity')}, in another root"

    def obstacles(self) -> Sequence[Obstacle]:
        return cast("Sequence[Obstacle]", self._child.ask("obstacles"))

    def page(self, after: Key | None, size: int) -> Sequence[Row]:
        return cast("Sequence[Row]", self._child.ask("page", after=after, size=size))

    def key(self, user: str) -> Key | str:
        return cast("Key | str", self._child.ask("key", user=user))

    def unfit(self, new: bytes) -> str:
        return str(self._child.ask("unfit", new=new))

    def now(self, keys: Sequence[Key]) -> Sequence[Row]:
        return cast("Sequence[Row]", self._child.ask("now", keys=keys))

    def add(self, swaps: Sequence[Swap]) -> Swapped:
        return cast("Swapped", self._child.ask("add", swaps=swaps))

    def remove(self, swaps: Sequence[Swap]) -> Swapped:
        return cast("Swapped", self._child.ask("remove", swaps=swaps))

    def close(self) -> None:
        self._child.close()
