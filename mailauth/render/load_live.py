"""A load while it runs, on a terminal."""

from typing import TYPE_CHECKING

from mailauth.later import later
from mailauth.load.result import Counts, Sample
from mailauth.render.load_words import ms, reasons_text
from mailauth.visible import visible

if TYPE_CHECKING:
    import rich.console
    import rich.table
    import rich.text
else:
    rich = later("rich")  # 50 ms that only a terminal pays

_MiB = 1024 * 1024
_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 60


class Board:
    """The last second and the last minute; ``update`` gives what to show."""

    def __init__(self) -> None:
        self._rates: list[float] = []
        self._p95: list[float] = []

    def update(self, what: str, sample: Sample, counts: Counts) -> "rich.console.RenderableType":
        self._rates = [*self._rates[-_SHOWN + 1 :], sample.answered]
        self._p95 = [*self._p95[-_SHOWN + 1 :], sample.p95]
        grid = rich.table.Table.grid(padding=(0, 2))
        grid.add_row(
            rich.text.Text(what, style="bold"),
            rich.text.Text(f"{sample.at:.0f} s, {counts.sent} sent, {counts.ok} ok"),
        )
        grid.add_row("answered", rich.text.Text(f"{sample.answered:9.1f}/s  {bars(self._rates)}"))
        grid.add_row("p95", rich.text.Text(f"{ms(sample.p95):>11}  {bars(self._p95)}"))
        spread = f"p50 {ms(sample.p50)}  p99 {ms(sample.p99)}  {sample.in_flight} in flight"
        grid.add_row("", rich.text.Text(spread))
        reasons = visible(reasons_text(counts))  # a server's own words may be among them
        refused = f"{counts.refused} wrong ones refused" if counts.refused else ""
        grid.add_row("failures", rich.text.Text(reasons or "none", style="bold red" if reasons else ""))
        if refused:
            grid.add_row("", rich.text.Text(refused))
        if sample.workers is not None:
            told = f"{sample.workers} auth-workers, {(sample.rss or 0) / _MiB:.0f} MiB"
            if sample.queued is not None:
                told += f", {sample.queued} queue warnings"
            grid.add_row("Dovecot", rich.text.Text(told, style="bold yellow" if sample.queued else ""))
        return grid


def bars(values: list[float]) -> str:
    """A small picture of the values, the largest is a full bar."""
    most = max(values, default=0.0)
    if not most:
        return ""
    return "".join(_BARS[min(int(value / most * len(_BARS)), len(_BARS) - 1)] for value in values)
