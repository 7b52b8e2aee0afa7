"""A progress bar on a terminal, nothing elsewhere; on standard error, so that --json stays JSON."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Yields a function that takes one step, and says what was done."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415 - 0.1 s that only a terminal pays
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(file=sys.__stderr__), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def step(done: str) -> None:
            bar.update(task, advance=1, description=f"{what}  {done}")

        yield step
