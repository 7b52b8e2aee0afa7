"""Every user and what becomes of the row, as a file: to mail those who stay on an old scheme, say.

It is never shown a stored string, only what a plan shows of one.
"""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mailauth import handed
from mailauth.cells import Sheet
from mailauth.errors import Refused, UsageError
from mailauth.stores.passwd_file import without_hash
from mailauth.visible import visible

FIELDS = ("user", "what", "before", "after", "why")

Each = Callable[[str, str, str, str, str], None]
"""Takes a user, what is or was done, what the string was and is to be, and why; texts may be ""."""


@contextmanager
def opened(path: Path | None) -> Iterator[Each | None]:
    """CSV, or a JSON list where the name ends so; mode 0600.  None where no file is wanted.

    Raises UsageError where it is named otherwise or there already, Refused where it cannot be written.
    """
    if path is None:
        yield None
        return
    if path.suffix.lower() not in (".csv", ".json"):
        raise UsageError(f"--users-out {path}: name a file that ends in .csv or .json.")
    with os.fdopen(handed.made(path), "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        try:
            yield from _json(file) if path.suffix.lower() == ".json" else _csv(file)
        except OSError as why:
            if why.filename is not None:
                raise
            raise Refused(f"{path}: cannot be written ({why.strerror}).") from None


def _csv(file: io.TextIOBase) -> Iterator[Each]:
    rows = Sheet(file)
    rows.write(FIELDS)
    yield lambda user, *rest: rows.write((_name(user), *rest))


def _json(file: io.TextIOBase) -> Iterator[Each]:
    between = ["["]

    def each(user: str, *rest: str) -> None:
        record = dict(zip(FIELDS, (_name(user), *map(visible, rest)), strict=True))
        file.write(f"{between[0]}\n{json.dumps(record, ensure_ascii=False)}")
        between[0] = ","

    yield each
    file.write(f"{'' if between[0] == ',' else '['}\n]\n")


def _name(user: str) -> str:
    """A name as it may be shown; columns that were mistaken for each other make one of a hash."""
    return visible(without_hash(user.encode("utf-8", "surrogateescape")).decode("utf-8", "backslashreplace"))
