"""Time against memory, with the limits drawn in.  Needs matplotlib: pip install 'mailauth[plot]'."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mailauth.dovecot.sizes import show_limit
from mailauth.memory.grid import Result
from mailauth.render.picture import BAD, LIMIT, SERIES, axes_of

_MiB = 1024 * 1024
_MARKS = ("o", "s", "^", "D")


def picture(
    results: Iterable[Result], file: Path, *, limits: Iterable[int], latency: float, idle: int
) -> None:
    """Draw to ``file``, in the format of its ending.  Raises UsageError, also without matplotlib."""
    with axes_of(file, 8, 5) as axes:
        draw(axes, list(results), limits=limits, latency=latency, idle=idle)


def draw(axes: Any, results: list[Result], *, limits: Iterable[int], latency: float, idle: int) -> None:
    """The picture on given axes; notebooks use it, too."""
    argon2 = [one for one in results if one.memory and one.lanes == 1]
    for passes in sorted({one.passes for one in argon2}):
        rows = sorted((one for one in argon2 if one.passes == passes), key=lambda one: one.memory)
        x = [one.rose / _MiB for one in rows]
        y = [one.time.least * 1000 for one in rows]
        more = [(one.time.p95 - one.time.least) * 1000 for one in rows]
        look = (passes - 1) % len(SERIES)
        axes.errorbar(
            x,
            y,
            yerr=([0] * len(rows), more),
            color=SERIES[look],
            marker=_MARKS[look],
            capsize=3,
            label=f"Argon2id, t={passes}",
        )
    for limit in limits:
        room = (limit - idle) / _MiB
        axes.axvline(room, zorder=0, **LIMIT)
        axes.text(
            room,
            0.02,  # curves go from the left below to the right above
            f" vsz_limit {show_limit(limit)} ",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            zorder=5,
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8,
            transform=axes.get_xaxis_transform(),
        )
    quick = f"quick enough below {latency * 1000:g} ms"
    axes.axhline(latency * 1000, color=BAD, linestyle=":", linewidth=1, label=quick)
    axes.set(xscale="log", yscale="log", xlabel="address space of one verification, MiB")
    axes.set_ylabel("time of one verification, ms (least, and up to p95)")
    least, most = axes.get_xlim()
    axes.set_xticks([2**power for power in range(15) if least <= 2**power <= most])
    axes.minorticks_off()
    for axis in (axes.xaxis, axes.yaxis):  # 64, and not 10 to some power
        axis.set_major_formatter("{x:g}")
    axes.set_title("Left of a dashed line (vsz_limit) a hash fits", fontsize=10)
    axes.legend(loc="upper left", fontsize=8)
