"""``memory bench`` as text.  Returns strings; prints nothing."""

from mailauth.memory.records import BenchReport
from mailauth.render.memory import columns

_MiB = 1024 * 1024


def bench_text(report: BenchReport) -> str:
    head = ("", "MiB", "predicted", "least ms", "median ms", "p95 ms", "runs")
    rows = [
        (
            one.shown,
            f"{one.rose / _MiB:.1f}",
            "exactly" if one.rose == one.predicted else f"{(one.predicted - one.rose) / 1024:+.0f} KiB",
            f"{one.time.least * 1000:.1f}",
            f"{one.time.median * 1000:.1f}",
            f"{one.time.p95 * 1000:.1f}",
            str(one.time.runs),
        )
        for one in report.results
    ]
    note = "least: what this machine can do; p95: with whatever else it did meanwhile."
    return "\n".join([*columns(head, rows), "", note]) + "\n"
