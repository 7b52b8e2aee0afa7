"""What all pictures share: matplotlib, where it is installed, and the file.  pip install 'mailauth[plot]'."""

import importlib.util
import io
import stat
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailauth.check.keep import replace_whole
from mailauth.errors import UsageError
from mailauth.later import later

if TYPE_CHECKING:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
else:
    mpl = later("matplotlib")  # an extra, and 0.4 s
    plt = later("matplotlib.pyplot")


# What a colour means is the same in every picture.  The colours are those of Okabe and Ito, "Color Universal
# Design" (2008), which the colour-blind tell apart; printed in grey, hatches and lines tell what colours do.
GOOD, WEAK, BAD, OPEN = "#0072B2", "#E69F00", "#D55E00", "#000000"
UNKNOWN, QUIET = "#CC79A7", "#999999"
SERIES = ("#56B4E9", "#0072B2", "#009E73", "#CC79A7")  # of one kind, such as p50, p95 and p99
LIMIT = {"color": OPEN, "linestyle": "--", "linewidth": 1}


def need_matplotlib() -> None:
    """To be asked before what is drawn is measured.  Raises UsageError without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            "pictures need matplotlib, which is not installed: pipx inject mailauth matplotlib, or"
            " pip install 'mailauth[plot]'."
        )


@contextmanager
def axes_of(file: Path, width: float, height: float) -> Iterator[Any]:
    """Axes of a figure of so many inches, written to ``file`` at the end, in the format of its ending.

    Raises UsageError without matplotlib, for an ending it does not know, and where it cannot write.
    """
    need_matplotlib()
    with chdir("/"):  # it takes its settings, and what programs to run, from the folder that we stand in
        mpl.rcdefaults()
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    try:
        yield axes
        image = io.BytesIO()
        figure.savefig(image, dpi=150, format=file.suffix.removeprefix(".") or "png")
        put(file, image.getvalue())
    except ValueError as why:
        raise UsageError(f"{file}: {str(why).splitlines()[0]}; end its name in .png or .svg.") from None
    except OSError as why:
        raise UsageError(f"{file}: cannot be written ({why.strerror}).") from None
    finally:
        plt.close(figure)


def put(file: Path, data: bytes) -> None:
    """Write a file that is asked for; what stands there is replaced, and neither followed nor written into.

    Raises UsageError where a link, a device or a FIFO stands there, and OSError.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(file.lstat().st_mode):
            raise UsageError(f"{file}: exists and is not a regular file; name another.")
    replace_whole(file, data, 0o644)
