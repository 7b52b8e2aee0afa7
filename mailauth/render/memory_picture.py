"""Time against memory, with the limits drawn in.  Needs matplotlib: pip install 'mailauth[plot]'."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mailauth.errors import UsageError
from mailauth.memory.grid import Result

_MiB = 1024 * 1024
_COLOURS = {1: "#9ecae1", 2: "#4292c6", 3: "#08519c", 4: "#08306b"}


def picture(
    results: Iterable[Result], file: Path, *, limits: Iterable[int], latency: float, idle: int
) -> None:
    """Draw to ``file``, in the format of its ending.  Raises UsageError, also without matplotlib."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an optional extra, and 0.4 s

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415
    except ImportError:
        raise UsageError("pictures need matplotlib; pip install 'mailauth[plot]'") from None
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    try:
        draw(axes, list(results), limits=limits, latency=latency, idle=idle)
        figure.savefig(file, dpi=150)
    except ValueError as why:
        raise UsageError(f"{file}: {str(why).splitlines()[0]}; end its name in .png or .svg.") from None
    except OSError as why:
        raise UsageError(f"{file}: cannot be written ({why.strerror}).") from None
    finally:
        plt.close(figure)


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
