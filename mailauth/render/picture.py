"""What all pictures share: matplotlib, where it is installed, and the file.  pip install 'mailauth[plot]'."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailauth.errors import UsageError


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
    import matplotlib as mpl  # noqa: PLC0415 - an optional extra, and 0.4 s

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    try:
        yield axes
        figure.savefig(file, dpi=150)
    except ValueError as why:
        raise UsageError(f"{file}: {str(why).splitlines()[0]}; end its name in .png or .svg.") from None
    except OSError as why:
        raise UsageError(f"{file}: cannot be written ({why.strerror}).") from None
    finally:
        plt.close(figure)
