"""A load over time, or the steps to the knee.  Needs matplotlib: pip install 'mailauth[plot]'."""

from pathlib import Path
from typing import Any

from mailauth.load.result import Attack, Knee, LoadResult
from mailauth.render.picture import BAD, GOOD, LIMIT, QUIET, SERIES, axes_of

_MiB = 1024 * 1024


def picture(result: LoadResult, file: Path) -> None:
    """Draw to ``file``, in the format of its ending.  Raises UsageError, also without matplotlib."""
    rows = 1 if result.knee or result.attack else 3 if result.workers_most else 2
    with axes_of(file, 9, 2.2 + 1.9 * rows) as axes:
        axes.figure.suptitle(f"{result.way}: {result.target}".replace("$", r"\$"), fontsize=10)
        if result.knee:
            draw_knee(axes, result.knee)
        elif result.attack:
            draw_attack(axes, result.attack)
        else:
            figure = axes.figure
            axes.remove()
            draw_time(list(figure.subplots(rows, 1, sharex=True)), result)


def draw_time(axes: list[Any], result: LoadResult) -> None:
    """Rate, latency and, where there are any, workers, each second."""
    at = [one.at for one in result.samples]
    axes[0].plot(at, [one.rate for one in result.samples], color=QUIET, linestyle="--", label="sent")
    axes[0].plot(at, [one.answered for one in result.samples], color=GOOD, label="answered")
    bad = [(one.at, one.bad) for one in result.samples if one.bad]
    if bad:
        axes[0].plot(*zip(*bad, strict=True), "x", color=BAD, label="failed or lost")
    axes[0].set_ylabel("logins a second")
    axes[0].set_ylim(bottom=0)
    for name, colour, line in zip(("p50", "p95", "p99"), SERIES, (":", "--", "-"), strict=False):
        # a second without an answer is a gap
        shown = [getattr(one, name) * 1000 or float("nan") for one in result.samples]
        axes[1].plot(at, shown, color=colour, linestyle=line, label=name)
    axes[1].set_ylabel("time to an answer, ms")
    axes[1].set_ylim(bottom=0)
    if len(axes) > 2:
        axes[2].plot(at, [one.workers or 0 for one in result.samples], color=GOOD, label="auth-workers")
        axes[2].set_ylabel("auth-workers")
        axes[2].set_ylim(bottom=0)
        memory = axes[2].twinx()
        memory.plot(at, [(one.rss or 0) / _MiB for one in result.samples], ":", color=BAD)
        memory.set_ylabel("their memory, MiB (dotted)", color=BAD)
        memory.set_ylim(bottom=0)
    for one in axes:
        if result.warm_up and result.samples:
            one.axvspan(0, min(result.warm_up, at[-1]), color="#f0f0f0")
        one.legend(fontsize=8, loc="upper left")
    axes[-1].set_xlabel("seconds" + (", warm-up in grey" if result.warm_up else ""))


def draw_knee(axes: Any, knee: Knee) -> None:
    """The p95 of each rate that was tried."""
    points = [(one.rate, one.latency.p95, one.held) for one in knee.steps if one.latency.count]
    _draw_rates(axes, points, knee.limit, knee.rate)
    axes.set(xlabel="logins asked for, a second", ylabel="time to an answer, p95, ms")


def draw_attack(axes: Any, attack: Attack) -> None:
    """The longest right login beside each rate of wrong passwords that was tried."""
    points = [
        (one.rate, one.latency.most, one.held) for one in attack.steps if one.latency.count and one.rate
    ]
    _draw_rates(axes, points, attack.limit, attack.rate)
    axes.set(xlabel="wrong passwords/s", ylabel="longest right login, ms")


def _draw_rates(axes: Any, points: list[tuple[float, float, bool]], limit: float, rate: float) -> None:
    """Points of a rate, seconds and whether it held; the limit, and the ``rate`` that was found."""
    for held, colour, mark, label in ((True, GOOD, "o", "holds"), (False, BAD, "x", "does not hold")):
        some = [(at, seconds * 1000) for at, seconds, holds in points if holds is held]
        if some:
            axes.plot([at for at, _ in some], [most for _, most in some], mark, color=colour, label=label)
    axes.axhline(limit * 1000, label=f"limit: {limit * 1000:g} ms", **LIMIT)
    if rate:
        axes.axvline(rate, color=GOOD, linewidth=1, label=f"most that holds: {rate:.4g}/s")
        axes.text(rate, 0.98, f" {rate:.4g}/s ", transform=axes.get_xaxis_transform(), va="top")
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter("{x:,g}")
    axes.tick_params(which="both", labelsize=8)
    axes.legend(fontsize=8, loc="upper left")
