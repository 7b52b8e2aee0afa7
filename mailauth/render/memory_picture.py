"""Time against memory, with the limits drawn in.  Needs matplotlib: pip install 'mailauth[plot]'."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mailauth.memory.grid import Result
from mailauth.render.picture import axes_of

_MiB = 1024 * 1024
_COLOURS = {1: "#9ecae1", 2: "#4292c6", 3: "#08519c", 4: "#08306b"}


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
        colour = _COLOURS.get(passes, "#333333")
        axes.errorbar(
            x,
            y,
            yerr=([0] * len(rows), more),
            color=colour,
            marker="o",
            capsize=3,
            label=f"Argon2id, t={passes}",
        )
    for limit in limits:
        room = (limit - idle) / _MiB
        axes.axvline(room, color="#cb181d", linestyle="--", linewidth=1)
        axes.text(
            room,
            0.98,
            f" vsz_limit {limit // _MiB}M ",
            color="#cb181d",
            rotation=90,
            ha="right",
            va="top",
            fontsize=8,
            transform=axes.get_xaxis_transform(),
        )
    axes.axhline(latency * 1000, color="#238b45", linestyle=":", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="address space a verification takes, MiB")
    axes.set_ylabel("ms a verification takes: least, up to p95")
    axes.set_title("Left of a dashed line it fits; below the dotted one it is quick enough", fontsize=10)
    axes.legend(loc="upper left", fontsize=8)
