"""Files of Dovecot's configuration language, with all they include: conf.py says what they mean."""

import errno
import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path

from mailauth.dovecot import inroot
from mailauth.dovecot.conf import Block, TooMuchError, parse
from mailauth.errors import CannotObserve
from mailauth.oserrors import unseen
from mailauth.records import dataclass

_MAX_DEPTH = 20  # of includes: deeper is a loop
# Of one configuration, with all it includes: a file may include itself many times.
_MOST_FILES, _MOST_BYTES = 10_000, inroot.CONFIGURATION


def read(
    path: Path,
    locate: Callable[[str], Path] = Path,
    files: list[str] | None = None,
    hidden: list[str] | None = None,
    *,
    ext: bool = False,
) -> Block:
    """Read a configuration file and all it includes; ``files`` is filled with their names.

    ``hidden`` is filled with what is included and may not be looked at.  ``ext`` as above.  ``locate`` turns
    a path as Dovecot sees it into a path that we can open.  Raises CannotObserve when the file cannot be
    read; an unreadable included file is passed over (doveconf has judged it).
    """
    reader = _Reader(locate, [] if files is None else files, [] if hidden is None else hidden, ext)
    return reader.read(str(path), 0)


@dataclass(slots=True)
class Lines:
    """The lines of configuration files as they stand; none of what cannot be read.  ``locate`` as above."""

    locate: Callable[[str], Path]
    _files: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def of(self, file: str) -> tuple[str, ...]:
        if file not in self._files:
            try:
                self._files[file] = tuple(_text(self.locate(file), "replace").split("\n"))
            except OSError:
                self._files[file] = ()
        return self._files[file]

    def __call__(self, file: str, number: int) -> str:
        """One line without its blanks; "" where there is none of that number."""
        lines = self.of(file)
        return lines[number - 1].strip() if 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a file and what it includes, and notes which files there were."""

    locate: Callable[[str], Path]
    files: list[str]
    hidden: list[str]
    ext: bool
    left: list[int] = field(default_factory=lambda: [_MOST_FILES, _MOST_BYTES])
    names: inroot.Allowance = field(default_factory=inroot.Allowance)

    def read(self, name: str, depth: int) -> Block:
        def include(pattern: str, _may_miss: bool) -> list[Block]:
            full = pattern if pattern.startswith("/") else str(Path(name).parent / pattern)
            return [] if depth >= _MAX_DEPTH else list(self._included(full, depth + 1))

        try:
            text = _text(self.locate(name), "surrogateescape")
        except OSError as why:
            raise (_too_much(name) if why.errno == errno.EFBIG else unseen(name, why)) from None
        self.files.append(name)
        self.left[:] = self.left[0] - 1, self.left[1] - len(text)
        if min(self.left) < 0:
            raise _too_much(name)
        return parse(text, name, include=include, ext=self.ext)

    def _included(self, pattern: str, depth: int) -> Iterator[Block]:
        self.left[0] -= 1  # one that finds nothing has been looked for, too
        if self.left[0] < 0:
            raise _too_much(pattern)
        try:
            hidden = _is_hidden(self.locate(pattern))
        except OSError:  # links in a circle, or what no file can be named: nothing is there
            return
        if hidden:
            self.hidden.append(pattern)
        try:
            every = inroot.names(pattern, self.locate, self.names)
        except CannotObserve:
            raise _too_much(pattern) from None
        for match in every:
            try:
                yield self.read(match, depth)
            except TooMuchError:
                raise
            except CannotObserve:
                if not os.access(self.locate(match), os.R_OK):
                    self.hidden.append(match)


def _too_much(name: str) -> TooMuchError:
    return TooMuchError(
        f"{name}: the configuration with all that it includes has more than {_MOST_FILES} files or"
        f" {_MOST_BYTES // 1024**2} MiB; it was not read."
    )


def _text(path: Path, errors: str) -> str:
    """As Path.read_text() has it, with any line end as LF."""
    data = inroot.content(path, _MOST_BYTES).decode("utf-8", errors)
    return data.replace("\r\n", "\n").replace("\r", "\n")


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
