"""A progress bar on a terminal, nothing elsewhere; on standard error, so that --json stays JSON."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting() -> Iterator[Callable[[int], None] | None]:
    """How many rows were read so far."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - 0.1 s that only a terminal pays
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    console = Console(file=sys.__stderr__)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading the stores", total=None)
        yield lambda rows: bar.update(task, description=f"reading the stores: {rows:,} rows")
