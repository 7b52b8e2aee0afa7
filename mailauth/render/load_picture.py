"""A load over time, or the steps to the knee.  Needs matplotlib: pip install 'mailauth[plot]'."""

from pathlib import Path
from typing import Any

from mailauth.load.result import Knee, LoadResult
from mailauth.render.picture import axes_of

_MiB = 1024 * 1024
_GOOD, _BAD, _P50, _P95, _P99 = "#238b45", "#cb181d", "#9ecae1", "#4292c6", "#08519c"


def picture(result: LoadResult, file: Path) -> None:
    """Draw to ``file``, in the format of its ending.  Raises UsageError, also without matplotlib."""
    rows = 1 if result.knee else 3 if result.workers_most else 2
    with axes_of(file, 9, 2.2 + 1.9 * rows) as axes:
        axes.figure.suptitle(f"{result.way}: {result.target}".replace("$", r"\$"), fontsize=10)
        if result.knee:
            draw_knee(axes, result.knee)
        else:
            figure = axes.figure
            axes.remove()
            draw_time(list(figure.subplots(rows, 1, sharex=True)), result)


def draw_time(axes: list[Any], result: LoadResult) -> None:
    """Rate, latency and, where there are any, workers, each second."""
    at = [one.at for one in result.samples]
    axes[0].plot(at, [one.rate for one in result.samples], color="#969696", label="sent")
    axes[0].plot(at, [one.answered for one in result.samples], color=_GOOD, label="answered")
    bad = [(one.at, one.bad) for one in result.samples if one.bad]
    if bad:
        axes[0].plot(*zip(*bad, strict=True), "x", color=_BAD, label="failed or lost")
    axes[0].set_ylabel("requests/s")
    axes[0].set_ylim(bottom=0)
    for name, colour in (("p50", _P50), ("p95", _P95), ("p99", _P99)):
        # a second without an answer is a gap
        shown = [getattr(one, name) * 1000 or float("nan") for one in result.samples]
        axes[1].plot(at, shown, color=colour, label=name)
    axes[1].set_ylabel("ms")
    axes[1].set_ylim(bottom=0)
    if len(axes) > 2:
        axes[2].plot(at, [one.workers or 0 for one in result.samples], color=_P99, label="auth-workers")
        axes[2].set_ylabel("auth-workers")
        axes[2].set_ylim(bottom=0)
        memory = axes[2].twinx()
        memory.plot(at, [(one.rss or 0) / _MiB for one in result.samples], color=_P50)
        memory.set_ylabel("MiB together", color=_P95)
        memory.set_ylim(bottom=0)
    for one in axes:
        if result.warm_up and result.samples:
            one.axvspan(0, min(result.warm_up, at[-1]), color="#f0f0f0")
        one.legend(fontsize=8, loc="upper left")
    axes[-1].set_xlabel("seconds" + (", warm-up in grey" if result.warm_up else ""))


def draw_knee(axes: Any, knee: Knee) -> None:
    """The p95 of each rate that was tried."""
    for held, colour, label in ((True, _GOOD, "holds"), (False, _BAD, "does not hold")):
        steps = [one for one in knee.steps if one.held is held and one.latency.count]
        axes.plot(
            [one.rate for one in steps],
            [one.latency.p95 * 1000 for one in steps],
            "o",
            color=colour,
            label=label,
        )
    axes.axhline(knee.limit * 1000, color="#969696", linestyle="--", linewidth=1, label="limit")
    if knee.rate:
        axes.axvline(knee.rate, color=_GOOD, linewidth=1)
        axes.text(knee.rate, 0.98, f" {knee.rate:.4g}/s ", transform=axes.get_xaxis_transform(), va="top")
    axes.set(xscale="log", yscale="log", xlabel="requests/s", ylabel="p95, ms")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("{x:g}")
    axes.tick_params(which="minor", labelsize=7)
    axes.legend(fontsize=8, loc="upper left")
