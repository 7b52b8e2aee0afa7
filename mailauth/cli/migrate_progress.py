"""How far a migration is, and how it is asked to stop."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import click

Tell = Callable[[int, int], None]


class Stop:
    """SIGINT and SIGTERM are heard between batches; a second one ends at once."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def asked(self) -> bool:
        return self._asked

    def __enter__(self) -> Self:
        for kind in (signal.SIGINT, signal.SIGTERM):
            self._before[kind] = signal.signal(kind, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for kind, before in self._before.items():
            signal.signal(kind, before)

    def _heard(self, kind: int, _frame: object) -> None:
        if self._asked:
            signal.signal(kind, signal.SIG_DFL)
            signal.raise_signal(kind)
        self._asked = True
        click.echo("stopping after this batch; once more ends at once", err=True)


@contextmanager
def progress(total: int | None) -> Iterator[Tell]:
    """Rows looked at and changed: a bar with rate and time left on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _looked, _written: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.__stderr__), transient=True) as bar:
        task = bar.add_task("rows", total=total, rate="")

        def tell(looked: int, written: int) -> None:
            speed = bar.tasks[0].speed or 0.0
            bar.update(task, completed=looked, rate=f"{written} changed, {speed:.0f} rows/s")

        yield tell
