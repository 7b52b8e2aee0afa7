"""One progress bar on a terminal, elsewhere a line a minute of long work; on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from mailauth.cli.shared.patience import naming
from mailauth.later import later
from mailauth.visible import visible

if TYPE_CHECKING:
    import rich.console
    import rich.progress
else:
    rich = later("rich")  # 0.1 s that only a terminal pays

_A_LINE = 60.0  # seconds between lines off a terminal


@contextmanager
def bar(
    total: int | None, what: str = "", *, rows_on_stdout: bool = False
) -> Iterator[Callable[[int, str], None] | None]:
    """Yields a function that is given how many are done and what to say beside it; None off a terminal.

    ``rows_on_stdout``: what is printed meanwhile would mix with it, were that a terminal too.
    """
    if not sys.stderr.isatty() or (rows_on_stdout and sys.stdout.isatty()):
        yield None
        return
    text = (rich.progress.MofNCompleteColumn(), rich.progress.TextColumn("{task.description}", markup=False))
    endless = (rich.progress.SpinnerColumn(), *text, rich.progress.TimeElapsedColumn())
    columns = (
        endless
        if total is None
        else (rich.progress.BarColumn(20), *text, rich.progress.TimeRemainingColumn())
    )
    with rich.progress.Progress(
        *columns, console=rich.console.Console(file=sys.__stderr__), transient=True
    ) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done, text: shown.update(task, completed=done, description=visible(text or what))


@contextmanager
def counting() -> Iterator[Callable[[int], None] | None]:
    """How many rows of the stores were read so far; None off a terminal."""
    what = "rows read"
    with bar(None, what) as tell:
        yield (lambda rows: tell(rows, what)) if tell else None


@contextmanager
def stepping(
    total: int | None, what: str = "", *, rows_on_stdout: bool = False
) -> Iterator[Callable[..., None]]:
    """Yields a function that adds to what is done (one, if not said), with what was done last."""
    done = 0
    with bar(total, what, rows_on_stdout=rows_on_stdout) as tell:

        def step(last: str = "", more: int = 1) -> None:
            nonlocal done
            done += more
            if tell:
                tell(done, f"{what}  {last}".strip())

        yield step


@contextmanager
def asking(total: int | None, limit: float) -> Iterator[Callable[[str], None]]:
    """Yields a function that is told what is asked now, of so many; ``limit``: seconds that all may take.

    Off a terminal a line says what does not answer soon.
    """
    done = 0
    with bar(total) as tell, nullcontext() if tell else naming(limit) as name:

        def ask(what: str) -> None:
            nonlocal done
            if tell:
                tell(done, f"waiting for {visible(what)}")
            elif name:
                name(what)
            done += 1

        yield ask


@contextmanager
def changing(
    total: int | None, bears: Callable[[], str] | None = None
) -> Iterator[Callable[[int, int], None]]:
    """Rows looked at and rows changed, with the rate; off a terminal a line each minute, for a log.

    ``bears`` says how the store bears it.
    """
    began = said = time.monotonic()
    with bar(total) as tell:

        def told(looked: int, written: int) -> None:
            nonlocal said
            now = time.monotonic()
            rate = looked / max(now - began, 0.001)
            text = f"{written} changed, {rate:.0f} rows/s"
            if bears and (load := bears()):
                text += f", {load}"
            if tell:
                tell(looked, text)
            elif total and now - said > _A_LINE:
                said = now
                left = max(total - looked, 0) / max(rate, 0.001)
                _line(f"{looked} of {total} rows, {text}, {left:.0f} s left")

        yield told


@contextmanager
def saying(*, on: bool) -> Iterator[Callable[[str], None]]:
    """Yields a function that says which step is at work; off a terminal each is a line."""
    with bar(None) if on else nullcontext() as tell:
        done = 0

        def step(what: str) -> None:
            nonlocal done
            done += 1
            if tell:
                tell(done, visible(what))
            elif on:
                _line(f"{visible(what)} ...")

        yield step


def _line(text: str) -> None:
    """Where nobody reads any more, what is being changed must not end half done for that."""
    with suppress(OSError):
        sys.stderr.write(f"mailauth: {text}\n")
        sys.stderr.flush()
