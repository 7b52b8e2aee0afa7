"""Rows that are added to a store of another root: by a child that stays in there."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from mailauth.dovecot.authconfig import Source, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.staying import Staying
from mailauth.errors import UsageError
from mailauth.stores import adding_directory, directory_table, elsewhere, sql
from mailauth.stores.adding import Target, target_of
from mailauth.stores.directory_table import DirectorySource
from mailauth.stores.elsewhere import Elsewhere
from mailauth.stores.swaps import Key, Obstacle, Swap, Swapped


def opened(dovecot: Installation, source: Source | DirectorySource, fill: Mapping[str, str]) -> Target:
    """In the place that the store belongs to.  Raises what ``target_of`` does."""
    if isinstance(source, DirectorySource):
        if fill:
            raise UsageError("--fill is for the columns of a database.")
        directory_table.prepare()
        if not dovecot.pid:
            return adding_directory.opened(source)
        return elsewhere.entered(dovecot, partial(adding_directory.opened, source), Target, _Target)
    if not dovecot.pid:
        return target_of(source, fill)
    if isinstance(source, SqlSource):
        sql.prepare(source)
    return elsewhere.entered(dovecot, partial(target_of, source, fill), Target, _Target)


class _Target(Elsewhere):
    """A target in another root."""

    def __init__(self, child: Staying, pid: int) -> None:
        super().__init__(child, pid)
        self.whole = bool(child.ask("whole"))

    def obstacles(self) -> Sequence[Obstacle]:
        return cast("Sequence[Obstacle]", self._child.ask("obstacles"))

    def key(self, user: str) -> Key | str:
        return cast("Key | str", self._child.ask("key", user=user))

    def form(self, new: bytes) -> bytes:
        return cast("bytes", self._child.ask("form", new=new))

    def unfit(self, new: bytes) -> str:
        return str(self._child.ask("unfit", new=new))

    def refused(self, swaps: Sequence[Swap]) -> Sequence[tuple[Key, str]]:
        return cast("Sequence[tuple[Key, str]]", self._child.ask("refused", swaps=swaps))

    def notes(self) -> Sequence[str]:
        return cast("Sequence[str]", self._child.ask("notes"))

    def add(self, swaps: Sequence[Swap]) -> Swapped:
        return cast("Swapped", self._child.ask("add", swaps=swaps))

    def remove(self, swaps: Sequence[Swap]) -> Swapped:
        return cast("Swapped", self._child.ask("remove", swaps=swaps))
