"""The lines of a PAM service: its modules in order, and what becomes of what each returns."""

from collections.abc import Mapping

from mailauth.records import dataclass

Action = str | int


@dataclass(frozen=True, slots=True)
class Line:
    """A module of a stack, and what becomes of each thing that it can return.

    ``level``: how many substacks it is in; ``substack``: it only begins one.  ``module`` "" is a line that
    libpam cannot use: it fails.
    """

    kind: str
    actions: Mapping[str, Action]
    module: str
    args: tuple[str, ...]
    place: str
    level: int = 0
    substack: bool = False

    @property
    def name(self) -> str:
        return self.module.rpartition("/")[2].removesuffix(".so")


@dataclass(frozen=True, slots=True)
class Service:
    """What PAM does for one service.  ``files``: those that were read, the service's own first.

    ``broken``: places of lines that include what cannot be read; ``fails``: then libpam takes no line at all.
    """

    name: str
    lines: tuple[Line, ...] = ()
    files: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    fails: bool = False

    @property
    def missing(self) -> bool:
        return not self.files

    def stack(self, kind: str) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.kind == kind)
