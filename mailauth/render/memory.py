"""What a hash takes, as text.  Returns strings; prints nothing."""

from collections.abc import Iterable, Sequence

from mailauth.counted import counted
from mailauth.dovecot.sizes import show_size
from mailauth.memory.measure import Measured, Spread
from mailauth.memory.records import ShowReport


def show_text(report: ShowReport) -> str:
    """``memory show``."""
    lines = [report.hash, ""]
    if not report.parts:
        lines.append("  takes nothing beyond the idle process: it works in a few KiB of stack and heap.")
    for part in report.parts:
        where = f"a mapping of {part.mapped} bytes" if part.mapped else "from the heap"
        lines.append(f"  {part.what:<22}{part.asked:>12} bytes  {show_size(part.asked):>9}  {where}")
    if report.parts:
        rows = (("first verification", report.first), ("every later one, max", report.always))
        lines += [
            f"  {what:<22}{size:>12} bytes  {show_size(size):>9}  of address space" for what, size in rows
        ]
        lines += [
            "",
            "  The smallest vsz_limit is that and the size of the idle process that verifies:",
            "  mailauth memory fit reads it.  Passes (t) take time and no memory; lanes run in turn.",
        ]
    if report.measured:
        lines += ["", *measured_lines(report.measured, report.first)]
    return "\n".join(lines) + "\n"


def measured_lines(measured: Measured, predicted: int) -> Iterable[str]:
    yield f"  measured through {measured.library}, in a fresh child"
    bisected = "not asked" if measured.bisected is None else f"{measured.bisected} bytes"
    yield f"  VmPeak rose by        {measured.rose:>12} bytes"
    yield f"  least RLIMIT_AS       {bisected:>18}  {'they agree' if measured.agree else 'THEY DISAGREE'}"
    yield f"  predicted             {predicted:>12} bytes  {_difference(measured.rose - predicted)}"
    peak = show_size(measured.peak_rss)
    yield f"  peak RSS              {peak:>18}  of which {show_size(measured.idle_rss)} idle"
    yield f"  time                  {spread_text(measured.time)}"
    yield "                        The least is what this machine can do; the rest is what else it did."


def spread_text(time: Spread) -> str:
    """All of the spread, never a bare mean."""
    runs = counted(time.runs, "run")
    return f"least {ms(time.least)}, median {ms(time.median)}, p95 {ms(time.p95)} of {runs}"


def ms(seconds: float) -> str:
    """Milliseconds with two or three figures."""
    value = seconds * 1000
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def _difference(size: int) -> str:
    return "exactly" if size == 0 else f"{abs(size)} too {'little' if size > 0 else 'much'}"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """A plain table: the columns ``left`` to the left, the others to the right; -1 is the last."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if at in left or at - len(head) in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
