"""Standard output and error: nothing that came from outside reaches a terminal as one of its commands.

Whatever is printed passes here: reports, errors, CSV.  A live display (rich) moves the cursor itself, shows
nothing from outside, and goes to ``sys.__stderr__``.
"""

import io
import sys
from typing import TextIO

from mailauth.visible import visible


class _Visible(io.TextIOWrapper):
    """Line ends and tabs are ours; every other control character becomes what shows it."""

    below: TextIO

    def write(self, text: str, /) -> int:
        super().write("\r\n".join(visible(one, keep="\n\t") for one in text.split("\r\n")))
        return len(text)


def guard() -> None:
    """Filter what is printed from now on."""
    sys.stdout = _filtered(sys.stdout)
    sys.stderr = _filtered(sys.stderr)


def _filtered(stream: TextIO) -> TextIO:
    if isinstance(stream, _Visible) or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    how = stream.line_buffering, stream.write_through
    made = _Visible(stream.buffer, stream.encoding, stream.errors, None, *how)
    made.below = stream  # whose end would close what both write to
    return made
