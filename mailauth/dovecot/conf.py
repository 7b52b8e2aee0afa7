"""Dovecot's configuration language: text to blocks and settings, each with its file and line.

Reads three things: what ``doveconf`` prints, a configuration file with all it includes, and
2.3's ``dovecot-sql.conf.ext``.  Values are secrets until shown otherwise: no repr shows one.

Source: Dovecot 2.3.19.1 and 2.4.1, src/config/config-parser.c; src/lib-settings/settings.c.
"""

import glob
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mailauth.errors import CannotObserve, unseen

# kind, then perhaps a name (perhaps quoted), then perhaps a second name, then the brace
_BLOCK = re.compile(
    r"([^\s={}\"#]+)(?:\s+(\"(?:[^\"\\]|\\.)*\"|[^\s{}=]+))?(?:\s+[^\s{}=]+)?\s*\{\s*(?:#.*)?"
)
_SETTING = re.compile(r"([^\s={}]+)\s*=\s*(.*)", re.DOTALL)
_INCLUDE = re.compile(r"!include(_try)?\s+(.+)")
_MAX_DEPTH = 20  # of includes: deeper is a loop


@dataclass(frozen=True, slots=True)
class Setting:
    """One ``name = value``; ``file`` and ``line`` are empty and 0 for doveconf's own output."""

    name: str
    value: str = field(repr=False)
    file: str = ""
    line: int = 0

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

    def find(self, name: str) -> Setting | None:
        """The setting that counts: the last one of that name."""
        return next((s for s in reversed(self.settings) if s.name == name), None)

    def get(self, name: str, default: str = "") -> str:
        found = self.find(name)
        return found.value if found else default

    def all(self, kind: str) -> tuple["Block", ...]:
        return tuple(block for block in self.blocks if block.kind == kind)

    def walk(self) -> Iterator["Block"]:
        yield self
        for block in self.blocks:
            yield from block.walk()


@dataclass(slots=True)
class _Open:
    """A block that is still being read."""

    kind: str
    name: str
    file: str = ""
    line: int = 0
    settings: list[Setting] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    def close(self) -> Block:
        return Block(self.kind, self.name, tuple(self.settings), tuple(self.blocks), self.file, self.line)


def parse(text: str, file: str = "", *, include: Callable[[str, bool], list["Block"]] | None = None) -> Block:
    """Read configuration text.  ``include`` is asked for each ``!include`` (pattern, may be missing).

    Never raises for odd lines: doveconf is the judge of syntax, and it has spoken before.
    """
    stack = [_Open("", "")]
    for number, line in _logical_lines(text):
        if line == "}":
            if len(stack) > 1:
                done = stack.pop().close()
                stack[-1].blocks.append(done)
        elif included := _INCLUDE.fullmatch(line):
            for block in include(_unquote(included[2]), bool(included[1])) if include else ():
                stack[-1].settings += block.settings
                stack[-1].blocks += block.blocks
        elif opened := _BLOCK.fullmatch(line):
            stack.append(_Open(opened[1], _unquote(opened[2] or ""), file, number))
        elif found := _SETTING.fullmatch(line):
            stack[-1].settings.append(Setting(found[1], _value(found[2]), file, number))
    while len(stack) > 1:
        done = stack.pop().close()
        stack[-1].blocks.append(done)
    return stack[0].close()


def read(
    path: Path,
    locate: Callable[[str], Path] = Path,
    files: list[str] | None = None,
    hidden: list[str] | None = None,
) -> Block:
    """Read a configuration file and all it includes; ``files`` is filled with their names.

    ``hidden`` is filled with what is included and may not be looked at.  ``locate`` turns a path as
    Dovecot sees it into a path that we can open.  Raises CannotObserve
    when the file cannot be read; an unreadable included file is passed over (doveconf has judged it).
    """
    return _read(str(path), locate, 0, [] if files is None else files, [] if hidden is None else hidden)


@dataclass(slots=True)
class Lines:
    """The lines of configuration files as they stand; none of what cannot be read.  ``locate`` as above."""

    locate: Callable[[str], Path]
    _files: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def of(self, file: str) -> tuple[str, ...]:
        if file not in self._files:
            try:
                self._files[file] = tuple(self.locate(file).read_text("utf-8", "replace").split("\n"))
            except OSError:
                self._files[file] = ()
        return self._files[file]

    def __call__(self, file: str, number: int) -> str:
        """One line without its blanks; "" where there is none of that number."""
        lines = self.of(file)
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _read(name: str, locate: Callable[[str], Path], depth: int, files: list[str], hidden: list[str]) -> Block:
    def include(pattern: str, _may_miss: bool) -> list[Block]:
        if depth >= _MAX_DEPTH:
            return []
        full = pattern if pattern.startswith("/") else str(Path(name).parent / pattern)
        base = str(locate("/")).rstrip("/")
        found = []
        if _is_hidden(locate(full)):
            hidden.append(full)
        for match in sorted(glob.glob(str(locate(full)))):  # noqa: PTH207 - the pattern is absolute
            try:
                found.append(_read(match.removeprefix(base), locate, depth + 1, files, hidden))
            except CannotObserve:
                if not os.access(match, os.R_OK):
                    hidden.append(match.removeprefix(base))
        return found

    try:
        text = locate(name).read_text("utf-8", "replace")
    except OSError as why:
        raise unseen(name, why) from None
    files.append(name)
    return parse(text, name, include=include)


def _is_hidden(pattern: Path) -> bool:
    """Whether we may not see what an include names: its folder cannot be entered, or not be listed."""
    try:
        pattern.parent.stat()
        if glob.has_magic(str(pattern)):
            os.scandir(pattern.parent).close()
        else:
            pattern.lstat()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments and blank ones, a trailing backslash joined, with the first line's number."""
    start, held = 0, ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not held and (not line or line.startswith("#")):
            continue
        start = start if held else number
        if line.endswith("\\"):
            held += line[:-1].rstrip() + " "
            continue
        yield start, held + line
        held = ""
    if held:
        yield start, held.strip()


def _value(text: str) -> str:
    """A value without its quotes, or without the comment that follows it."""
    text = text.strip()
    if text[:1] in ('"', "'"):
        return _unquote(text)
    return re.split(r"\s#", text, maxsplit=1)[0].rstrip()


def _unquote(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in ('"', "'"):
        inner = text[1:-1]
        return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) if text[0] == '"' else inner
    return text
