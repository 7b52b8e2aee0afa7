"""Dovecot's configuration language: text to blocks and settings, each with its file and line.

Reads three things: what ``doveconf`` prints, a configuration file with all it includes, and 2.3's files for
a driver (``dovecot-sql.conf.ext``).  Values are secrets until shown otherwise: no repr shows one.

What one statement is, ``statements.py`` knows; ``conffiles.py`` reads the files.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field

from mailauth.dovecot.statements import Statement, printed, statements
from mailauth.errors import CannotObserve
from mailauth.records import dataclass

LONGEST = 64 * 1024
"""Characters of a value: whoever is in a container can write more, and a query is looked at many times."""


class TooMuchError(CannotObserve):
    """There is more of it than is read: nothing is said of the rest, either."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One ``name = value``; ``file`` is empty for doveconf's own output.

    ``last`` is the last of its lines: a here-document has several, and so has what a backslash continues.
    """

    name: str
    value: str = field(repr=False)
    file: str = ""
    line: int = 0
    last: int = 0

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.file else "doveconf"


@dataclass(frozen=True, slots=True)
class Block:
    """``kind name { ... }``; the whole text is a block with an empty kind."""

    kind: str
    name: str
    settings: tuple[Setting, ...]
    blocks: tuple["Block", ...]
    file: str = ""
    line: int = 0  # of its head
    last: int = 0  # of its closing brace

    def find(self, name: str) -> Setting | None:
        """The setting that counts: the last one of that name, or in a block that is named as it begins.

        2.4's doveconf prints auth_policy_server_url in auth_policy { }, however it was written, and before
        that, up to 2.4.1, as if it were not set.  Measured on 2.4.1 and 2.4.5.
        """
        own = next((s for s in reversed(self.settings) if s.name == name), None)
        for block in reversed(self.blocks):
            if not block.name and name.startswith(f"{block.kind}_"):
                inner = block.find(name.removeprefix(f"{block.kind}_"))
                if inner and not (own and own.file == inner.file and own.line > inner.line):
                    return inner
        return own

    def get(self, name: str, default: str = "") -> str:
        found = self.find(name)
        return found.value if found else default

    def all(self, kind: str) -> tuple["Block", ...]:
        return tuple(block for block in self.blocks if block.kind == kind)

    def walk(self) -> Iterator["Block"]:
        yield self
        for block in self.blocks:
            yield from block.walk()


def words(block: Block, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A list of words: ``name = a, b``, or 2.4's ``name { a = yes  b = no }``, which adds to ``default``.

    Source: settings_parse_boollist_string(), src/lib-settings/settings-parser.c, and config_apply_boollist(),
    src/config/config-parser.c of Dovecot 2.4.1; doveconf prints one of the two forms.
    """
    line, blocks = block.find(name), block.all(name)
    found = dict.fromkeys(default if line is None else _words_of(line.value), True)
    for one in blocks:
        found |= {each.name: each.value.lower() in _YES for each in one.settings}
    return tuple(word for word, wanted in found.items() if wanted)


_YES = ("yes", "y", "1")


def _words_of(value: str) -> list[str]:
    """Words between blanks and commas, each perhaps quoted."""
    return [quoted or word for quoted, word in re.findall(r'"((?:[^"\\]|\\.)*)"|([^\s,"]+)', value)]


@dataclass(slots=True)
class _Open:
    """A block that is still being read."""

    kind: str
    name: str
    file: str = ""
    line: int = 0
    settings: list[Setting] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def close(self, last: int = 0) -> Block:
        inside = tuple(self.settings), tuple(self.blocks)
        return Block(self.kind, self.name, *inside, self.file, self.line, last)


Include = Callable[[str, bool], list[Block]]
"""What ``!include`` brings: asked with the pattern, and whether it may be missing."""


def parse(text: str, file: str = "", *, include: Include | None = None, ext: bool = False) -> Block:
    """Read configuration text; ``ext``: of one of 2.3's files for a driver.

    Never raises for odd lines: doveconf is the judge of syntax, and it has spoken before.
    Raises TooMuchError for a value that is too long.
    """
    return _tree(statements(text, ext=ext), file, include)


def parse_printed(text: str) -> Block:
    """Read what ``doveconf -a -P`` or ``doveconf -n -P`` printed.  Without -P it cannot be read back.

    Raises TooMuchError for a value that is too long.
    """
    return _tree(printed(text), "", None)


_DEEPEST = 64  # blocks in blocks; what is in more stands beside them: who walks through them is not lost


def _too_long(name: str, place: str) -> TooMuchError:
    return TooMuchError(
        f"{place}: the value of {name[:100]} has more than {LONGEST} characters;"
        " the configuration was not read."
    )


def _tree(found: Iterable[Statement], file: str, include: Include | None) -> Block:
    stack = [_Open("", "")]
    for one in found:
        match one.kind:
            case "setting":
                if len(one.text) > LONGEST:
                    raise _too_long(one.name, f"{file}:{one.line}" if file else "doveconf")
                stack[-1].settings.append(Setting(one.name, one.text, file, one.line, one.last))
            case "begin":
                stack.append(_Open(one.name, one.text, file, one.line))
            case "include":
                for block in include(one.text, one.may_miss) if include else ():
                    stack[-1].settings += block.settings
                    stack[-1].blocks += block.blocks
            case "end" if len(stack) > 1:
                done = stack.pop().close(one.last)
                stack[:_DEEPEST][-1].blocks.append(done)
    while len(stack) > 1:
        done = stack.pop().close()
        stack[:_DEEPEST][-1].blocks.append(done)
    return stack[0].close()
