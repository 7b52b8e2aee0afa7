"""Strings of an ordinary form are counted in whole blocks: all that are judged alike, by one of them.

Equal to asking ``Tally`` for each string by itself, and a fifth of the work.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter

from mailauth.stores import forms

Parts = tuple[bytes, ...]
Columns = tuple[Sequence[bytes], Sequence[bytes], Sequence[bytes]]
"""Of each row what stands before salt and digest, these, and the padding; nothing of one of no such form."""
_Kind = tuple[bytes, int, bytes]
_NONE: _Kind = (b"", 0, b"")
_NEW = (b"", 0)
_MOST_KINDS = 10_000  # that are known; beyond, they are learnt again

# A name that anybody can type, in a line that is no comment: what passwd_file.odd() says nothing of
_NAME = r"[!$-&(-9;-_a-~][!-9;-~]*(?<![\"'`])"


def of_lines(*, text: bool) -> Callable[[bytes], list[Parts]]:
    """What parts a block of a passwd-file, which begins with a newline, and whose last line has none.

    Of a line: its name and the three of ``Columns``; or else, behind them, the line as it is.
    ``text``: what has no scheme is a password as it is.
    """
    strings = forms.strings(text=text, end=r"(?=[:\n]|\r\n|\Z)")
    return re.compile(rf"\n(?:({_NAME}):{strings}[^\n]*|([^\n]*))".encode()).findall


def of_strings(*, text: bool) -> Callable[[Sequence[bytes | None]], list[Parts]]:
    """What parts strings as a database has them: each into the three of ``Columns``."""
    end = r"(?=\n|\Z)"
    findall = re.compile(rf"\n(?:{forms.strings(text=text, end=end)}{end}|[^\n]*)".encode()).findall

    def part(strings: Sequence[bytes | None]) -> list[Parts]:
        kept = [one or b"" for one in strings]
        block = b"\n".join([b"", *kept])
        if block.count(b"\n") != len(kept):  # a string with a newline in it is of no such form
            block = b"\n".join([b"", *(b"" if b"\n" in one else one for one in kept)])
        return findall(block)

    return part


class Kinds:
    """Counts block by block.  ``told``: so many strings of each kind are told one by one, the first ones."""

    def __init__(self, told: int) -> None:
        self._most = max(1, told)
        self._known: dict[_Kind, tuple[bytes, int]] = {}  # one string of this kind, and how many were told

    def count(self, columns: Columns) -> tuple[list[tuple[int, bytes | None]], list[tuple[bytes, int]]]:
        """Rows that are told one by one, in order: where, and the string; None: it is of no such form.

        And how many more there are that are judged as a string is.
        """
        heads, tails, paddings = columns
        kinds: list[_Kind] = list(zip(heads, map(len, tails), paddings, strict=True))
        counts = Counter(kinds)
        if len(self._known) > _MOST_KINDS:
            self._known.clear()
        each: list[tuple[int, bytes | None]] = []
        if counts.pop(_NONE, 0):
            each = [(at, None) for at, head in enumerate(heads) if not head and not tails[at]]
        wanted = {kind for kind in counts if self._known.get(kind, _NEW)[1] < self._most}
        if wanted:
            for at, kind in enumerate(kinds):
                if kind in wanted:
                    stored, told = heads[at] + tails[at] + paddings[at], self._known.get(kind, _NEW)[1] + 1
                    each.append((at, stored))
                    counts[kind] -= 1
                    self._known[kind] = stored, told
                    if told >= self._most:
                        wanted.discard(kind)
            each.sort(key=itemgetter(0))
        return each, [(self._known[kind][0], rows) for kind, rows in counts.items() if rows]
