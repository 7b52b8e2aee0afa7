"""What a shell makes of a password that stands in a command.  Pure; runs nothing.

Source: POSIX.1-2017, Shell Command Language, 2.2 Quoting and 2.3 Token Recognition; names of variables that
nobody sets become nothing, and so does what a command in backquotes prints.
"""

from dataclasses import field

from mailauth.expressions import expression
from mailauth.records import dataclass

_NAME = expression(r"\$(?:\{[^}]*\}|\([^)]*\)|[A-Za-z_]\w*|[0-9*@#?!$-])")
_ENDS = frozenset(";&|<>()\n")


@dataclass(slots=True)
class _Words:
    """The words so far; ``open_``: one is being read."""

    found: list[str] = field(default_factory=list)
    word: str = ""
    open_: bool = False

    def end(self) -> None:
        if self.open_:
            self.found.append(self.word)
        self.word, self.open_ = "", False

    def add(self, text: str) -> None:
        self.word, self.open_ = self.word + text, True


def words(text: str) -> list[str]:
    """The words of a command's line up to its first operator or comment, with quotes and variables gone."""
    seen, at = _Words(), 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            seen.add(text[at + 1 : at + 2])
            at += 2
        elif char == "'":
            end = text.find("'", at + 1)
            end = len(text) if end < 0 else end
            seen.add(text[at + 1 : end])
            at = end + 1
        elif char == '"':
            inner, at = _quoted(text, at + 1)
            seen.add(inner)
        elif char in "`$" and (after := _expanded(text, at)) > at:
            at = after
        elif char in _ENDS or (char == "#" and not seen.open_):
            break
        elif char.isspace():
            seen.end()
            at += 1
        else:
            seen.add(char)
            at += 1
    seen.end()
    return seen.found


def _quoted(text: str, at: int) -> tuple[str, int]:
    """What stands in double quotes, and where they end."""
    found = ""
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and text[at + 1 : at + 2] in tuple('$`"\\'):
            found, at = found + text[at + 1], at + 2
        elif (after := _expanded(text, at)) > at:
            at = after
        else:
            found, at = found + text[at], at + 1
    return found, at + 1


def _expanded(text: str, at: int) -> int:
    """Where a variable or a command that stands here ends; ``at`` where there is none."""
    if text[at] == "`":
        end = text.find("`", at + 1)
        return len(text) if end < 0 else end + 1
    found = _NAME.match(text, at)
    return found.end() if found else at
