"""What stands between a column and its new strings, as each store says it before anything is written.

What a database says is asked in its ``*_table.py``.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mailauth.errors import BatchRefused, CannotObserve, Refused
from mailauth.stores.swaps import Names, Obstacle

Rows = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]
TRIGGERS = (
    "triggers run on each UPDATE ({}): a row whose new string they refuse or change keeps its old one; if"
    " they copy rows elsewhere (a history, an audit log), old strings stay readable there"
)
CHECKS = "CHECK constraints hold for the column ({}): a row whose new string they refuse keeps its old one"
VIEWS = "views read the table ({}): does whoever reads them understand the new strings?"
UNIQUE = (
    "the column is part of a UNIQUE constraint or index ({}): if another row has the same new string there,"
    " or the same part of it, a row keeps its old one"
)
REFERENCES = "foreign keys include the column ({}): a row whose new string they refuse keeps its old one"
MADE_OF_IT = (
    "columns are generated from the column ({}): if one of them cannot hold what it becomes, the row keeps"
    " its old string"
)
GENERATED = "the column is generated ({}): name the column that it is made of, with --url and --rows-query"
BESIDE = (
    "the table has more columns that may hold passwords ({}): mailauth does not change them; a plaintext"
    " there stays readable, and a program that reads it goes on taking it"
)
_OF_PASSWORDS = re.compile(r"pass|pwd|clear|plain|secret|crypt|kennw|senha|clave|haslo", re.IGNORECASE)
_NAMED = 5


def of_file(path: Path) -> Iterator[Obstacle]:
    """Of a passwd-file, which is replaced whole.  To be called where Dovecot lives."""
    real = path.resolve()
    with suppress(OSError):
        if links := real.stat().st_nlink - 1:
            names = "link: under that name" if links == 1 else "links: under those names"
            yield Obstacle(f"{path} has {links} more hard {names} the old content stays")
    if not os.access(real.parent, os.W_OK):
        yield Obstacle(f"{real.parent} cannot be written, and the file is replaced whole", stops=True)
    with suppress(OSError):
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
        if any(line.split()[4] == str(real) for line in mounts):
            yield Obstacle(
                f"{real} is mounted by itself, so it cannot be replaced whole: mount its folder", stops=True
            )


def of_update(rows: Rows, names: Names) -> Iterator[Obstacle]:
    """Why the database would not let this account write the column."""
    update = f"EXPLAIN UPDATE {names.table} SET {names.column} = '' WHERE 1 = 0"  # noqa: S608 - names of the password query
    yield from refusal_of(lambda: rows(update, ()))


def refusal_of(ask: Callable[[], object], needs: str = "") -> Iterator[Obstacle]:
    """Why the server refuses a statement that is only explained, or changes nothing of the table's.

    ``needs``: what it takes.
    """
    try:
        ask()
    except Refused as why:
        says = why.why if isinstance(why, BatchRefused) else str(why)
        yield Obstacle(f"{needs}{says.rstrip('.')}", stops=True)
    except CannotObserve as why:
        yield Obstacle(f"whether the column can be written is not known: {why}".rstrip("."))


def asked(rows: Rows, statement: str, values: Sequence[Any]) -> list[str]:
    """The first column, as text; [] where this server does not know, or does not say."""
    try:
        found = rows(statement, values)
    except (BatchRefused, CannotObserve, Refused):
        return []
    return [one[0].decode("utf-8", "replace") if isinstance(one[0], bytes) else str(one[0]) for one in found]


def beside(names: Sequence[str], column: str) -> Iterator[Obstacle]:
    """``names``: of the columns of text; ``column``: the one that is changed."""
    return said(BESIDE, [one for one in names if one.lower() != column.lower() and _OF_PASSWORDS.search(one)])


def each(
    rows: Rows, text: str, statement: str, values: Sequence[Any], *, stops: bool = False
) -> Iterator[Obstacle]:
    """What the statement finds, as ``text`` with it."""
    yield from said(text, asked(rows, statement, values), stops=stops)


def said(text: str, found: Sequence[str], *, stops: bool = False) -> Iterator[Obstacle]:
    """``text`` with what was found, the first few; nothing where nothing was."""
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        yield Obstacle(text.format(", ".join(found[:_NAMED]) + more), stops)
