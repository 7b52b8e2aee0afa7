"""2.3's SQL settings (``dovecot-sql.conf.ext``) as Dovecot takes them.

How lines, comments and quotes are read is ``statements.py``'s to know.  Here: ``$ENV:NAME``, which is put in
from 2.3.14 on where the value stands in no quotes, and the lines on which a "#" cuts a value short.

Source: settings_read_i() and expand_environment_vars(), Dovecot 2.3.13 and 2.3.19.1
src/lib-settings/settings.c; db_sql_init(), src/auth/db-sql.c.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from pathlib import Path

from mailauth.dovecot import conf, conffiles, environment
from mailauth.dovecot.statements import ambiguous, statements
from mailauth.records import dataclass

_ENVIRONMENT = re.compile(r"(?:(?<![^ \t]))\$ENV:([^ ]*)")
_QUOTED = re.compile(r"[^=]*=\s*[\"']")


@dataclass(frozen=True, slots=True)
class SqlFile:
    """The settings, and the lines ("file:12") that are read as a comment from a "#" on, without a blank.

    ``refused``: the first line that is no setting, for which Dovecot does not take the file; "" for none.
    """

    tree: conf.Block = field(repr=False)
    cut: tuple[str, ...]
    refused: str
    environment: tuple[tuple[str, str], ...] = field(repr=False)
    _line: Callable[[str, int], str]
    _variable: Callable[[str], str]

    def get(self, name: str, default: str = "") -> str:
        """The value that counts.  Raises CannotObserve where a variable in it cannot be seen."""
        found = self.tree.find(name)
        if found is None:
            return default
        if "$ENV:" not in found.value or _QUOTED.match(self._line(found.file, found.line)):
            return found.value
        return _ENVIRONMENT.sub(lambda variable: self._variable(variable[1]), found.value)

    def earlier(self, name: str) -> tuple[tuple[str, str], ...]:
        """The values that a later line of the same name overrules, and their places."""
        found = self.tree.find(name)
        return tuple(
            (one.value, one.place) for one in self.tree.settings if one.name == name and one is not found
        )

    def place(self, name: str, default: str) -> str:
        """The file and line of a setting."""
        found = self.tree.find(name)
        return found.place if found else default


def read(file: str, locate: Callable[[str], Path], main: conf.Block) -> SqlFile:
    """``locate`` turns a path as Dovecot sees it into one that we can open; ``main``: what doveconf says.

    Raises CannotObserve.
    """
    files: list[str] = []
    tree = conffiles.read(Path(file), locate, files, ext=True)
    lines = conffiles.Lines(locate)
    given = tuple(environment.given(main).items())
    cut = tuple(_cut(files, lines))
    return SqlFile(
        tree, cut, _refused(files, lines), given, lines, lambda name: environment.value(name, main)
    )


def _refused(files: list[str], lines: conffiles.Lines) -> str:
    found = (
        f"{name}:{one.line}"
        for name in dict.fromkeys(files)
        for one in statements("\n".join(lines.of(name)), ext=True)
        if one.kind == "refused"
    )
    return next(found, "")


def _cut(files: list[str], lines: conffiles.Lines) -> Iterator[str]:
    for name in dict.fromkeys(files):
        for number, line in enumerate(lines.of(name), 1):
            if ambiguous(line):
                yield f"{name}:{number}"
