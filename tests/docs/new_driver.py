"""``bin/new-driver NAME``: a database driver's file and its word in the table of drivers, as skeletons.

They fail until each mark is gone: ``TESTS``.
"""

import re
import sys
from pathlib import Path

from mailauth.dovecot.authconfig import SQL_DRIVERS
from tests.docs.new_rule import MARK, ROOT

TESTS = "tests/docs/test_new_rule.py tests/test_house.py tests/stores"

DRIVER = '''"""{mark}: the database's name: how it is asked as Dovecot asks it.

Source: {mark}: Dovecot's tag and file, such as src/lib-sql/driver-{name}.c.
"""

# ruff: noqa: ARG001, ARG002 - {mark}: a skeleton that uses none of its arguments

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from mailauth.dovecot.variables import Escape
from mailauth.stores.database import (
    Ask,
    Database,
    Host,
    RunOne,
    SchemaQueries,
    Session,
    Updating,
    at_server,
)
from mailauth.stores.refusal import Refusal
from mailauth.stores.schema import Place
from mailauth.stores.store import Failing
from mailauth.stores.swaps import Key, Names, Obstacle, Run, Swap


@contextmanager
def _ask(host: Host, seconds: float, template: str) -> Iterator[tuple[Escape, Ask]]:
    # {mark}: a read-only session; yields how a value is escaped, and what runs one query
    raise _refused(host)
    yield


def _stream(host: Host) -> Session:
    # {mark}: a read-only session for all rows, in bounded memory
    raise _refused(host)


@contextmanager
def _change(host: Host) -> Iterator[tuple[Escape, RunOne]]:
    # {mark}: a transaction, committed at its end; ServerDownError and NotChangedError say what failed
    raise _refused(host)
    yield


def _refused(host: Host) -> Refusal:
    # {mark}: the kind by the client library's error, the server's code, and its words
    return Refusal(Failing.DOWN, "{mark}", f"{{_place(host)}}: {mark}")


def _place(host: Host) -> str:
    return at_server("{name}", host)


def _client(host: Host) -> tuple[str, ...]:
    return ()  # {mark}: the program that the database's administrator gives statements to


def _declared(place: Place, escape: Escape) -> str:
    return f"{mark} {{escape(place.table)}}"  # {mark}: the query for a column's type, as password


def _columns(place: Place, escape: Escape) -> str:
    return f"{mark} {{escape(place.table)}}"  # {mark}: the query for a table's columns, as password


class {title}:
    """{mark}: stored strings, read in pages and changed; swaps.Engine says what each function is for."""

    mark = "?"
    raw = "?"
    version: tuple[str, ...] = ()
    apart = False

    def __init__(self, host: Host) -> None:
        self._host = host

    def keys(self, table: str) -> tuple[str, ...]:
        raise _refused(self._host)  # {mark}

    def unsortable(self, names: Names) -> str:
        raise _refused(self._host)  # {mark}

    def width(self, table: str, column: str) -> int | None:
        raise _refused(self._host)  # {mark}

    def rows(self, statement: str, values: Sequence[Any]) -> Sequence[Sequence[Any]]:
        raise _refused(self._host)  # {mark}

    def among(self, names: Names, keys: Sequence[Key]) -> tuple[str, Sequence[Any]]:
        raise _refused(self._host)  # {mark}

    def swap(self, names: Names, swaps: Sequence[Swap]) -> frozenset[Key]:
        raise _refused(self._host)  # {mark}

    def transaction(self) -> AbstractContextManager[Run]:
        raise _refused(self._host)  # {mark}

    def identity(self, table: str) -> str:
        raise _refused(self._host)  # {mark}

    def obstacles(self, names: Names, *, batches: bool) -> Sequence[Obstacle]:
        raise _refused(self._host)  # {mark}

    def close(self) -> None:
        raise _refused(self._host)  # {mark}


DATABASE = Database(
    name="{name}",
    urls=("{name}",),
    modules=(),  # {mark}: the client library's modules, imported before another root is entered
    place=_place,
    ask=_ask,
    stream=_stream,
    change=_change,
    updating=Updating(mark="?"),
    table={title},
    schema=SchemaQueries(declared=_declared, columns=_columns, named_columns="{mark}"),
    client=_client,
    without_blanks="{mark}",
)
'''


def main(words: list[str]) -> int:
    if len(words) != 1:
        print("usage: bin/new-driver NAME, Dovecot's name of the driver", file=sys.stderr)  # noqa: T201
        return 2
    if wrong := refused(words[0]):
        print(f"bin/new-driver: {wrong}", file=sys.stderr)  # noqa: T201
        return 2
    for path in make(words[0], ROOT):
        print(path.relative_to(ROOT))  # noqa: T201
    print(f"Replace each {MARK!r}; then: bin/test {TESTS}")  # noqa: T201
    return 0


def refused(name: str) -> str:
    """Why there can be no driver of this name, or ""."""
    if not re.fullmatch(r"[a-z][a-z0-9]+", name):
        return f"{name}: give Dovecot's name of the driver: small letters and digits."
    if name in SQL_DRIVERS:
        return f"{name}: is there already, mailauth/stores/{name}.py."
    taken = (ROOT / "mailauth" / "stores" / f"{name}.py").exists()
    return f"{name}: mailauth/stores/{name}.py is something else." if taken else ""


def make(name: str, root: Path) -> list[Path]:
    """Write the file and the word; where they are."""
    driver = root / "mailauth" / "stores" / f"{name}.py"
    driver.write_text(DRIVER.format(mark=MARK, name=name, title=name.capitalize()))
    table = root / "mailauth" / "dovecot" / "authconfig.py"
    listed = re.compile(r"^(SQL_DRIVERS = \([^)]*)\)", re.MULTILINE)
    table.write_text(listed.sub(rf'\1, "{name}")', table.read_text(), count=1))
    return [driver, table]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
