"""Sentences as lines; a value in quotes keeps its blanks: at the end of a line, one would not be seen."""

import re
import textwrap

# An apostrophe stands behind a letter, and a quote before a value does not.
_QUOTED = re.compile(r"(?<!\w)(?P<quote>['\"])(?P<value>.*?)(?P=quote)(?!\w)")
_KEPT = re.compile(r"^ +| +$| {2,}")
_SHORT = 60  # characters of a value that is kept in one line
_BLANK = "\0"  # stands for one that no line may end at; nothing that is shown has it


def wrap(text: str, margin: str, width: int, first: str | None = None) -> list[str]:
    """Lines of at most ``width`` characters behind ``margin``; ``first``: the first line's, where another.

    A word that is longer stays whole: it may be a path, or is to be pasted.
    """
    glued = _QUOTED.sub(_glued, text)
    lines = textwrap.wrap(
        glued,
        max(width, len(margin) + 20),
        initial_indent=margin if first is None else first,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_BLANK, " ") for line in lines]


def _glued(found: re.Match[str]) -> str:
    quote = found["quote"]
    inside = _KEPT.sub(lambda blanks: _BLANK * len(blanks[0]), found["value"])
    if _BLANK in inside and len(inside) <= _SHORT:
        inside = inside.replace(" ", _BLANK)
    return f"{quote}{inside}{quote}"
