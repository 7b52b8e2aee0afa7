"""The option with which a command draws what it found: the same everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mailauth.errors import UsageError

_ENDINGS = frozenset({".png", ".svg"})


def picture_option(what: str) -> Callable[[Any], Any]:
    """``--picture FILE``; ``what`` is drawn.

    What is wrong with the file, or lacks, is said before anything is looked at or measured.
    """
    return click.option(
        "--picture",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_checked,
        help=f"Draw {what} to this .png or .svg file.",
        metavar="FILE",
    )


def _checked(_ctx: click.Context, _parameter: click.Parameter, file: Path | None) -> Path | None:
    """Raises UsageError."""
    if file is None:
        return None
    if file.suffix.lower() not in _ENDINGS:
        raise UsageError(f"--picture {file}: end its name in .png or .svg.")
    if not file.parent.is_dir():
        raise UsageError(f"--picture {file}: there is no folder {file.parent}.")
    from mailauth.render.picture import need_matplotlib  # noqa: PLC0415 - only where a picture is asked for

    need_matplotlib()
    return file
