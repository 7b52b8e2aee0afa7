"""PostgreSQL's rows are found by their places: no other row may come to stand there, or be taken for them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import Refused
from mailauth.lab import Lab
from mailauth.stores.swaps import Swap
from mailauth.stores.table import SqlTable, opened

BARE = "$2y$04$abcdefghijklmnopqrstuuJ1p3hPLyaXcWmX6QHVUkQXqzZPS9aLG"
FULL = f"{{BLF-CRYPT}}{BARE}"
COUNT = 20


@dataclass
class Base:
    """A database, as its owner has it and as mailauth does."""

    link: "psycopg.Connection[tuple[object, ...]]"
    source: SqlSource
    stack: ExitStack

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.link.execute(statement.encode())

    def fill(self, table: str) -> None:
        """All rows in one transaction: odd ones need a prefix, even ones have it."""
        with self.link.transaction():
            for number in range(COUNT):
                values = (number, number % 2, BARE if number % 2 else FULL)
                self.link.execute(f"INSERT INTO {table} VALUES (%s, %s, %s)".encode(), values)

    def open(self) -> SqlTable:
        table = opened(self.source)
        self.stack.callback(table.close)
        return table

    def stored(self) -> list[object]:
        return [row[0] for row in self.link.execute("SELECT password FROM box ORDER BY id")]


@pytest.fixture
def base(lab: Callable[..., Lab]) -> Iterator[Base]:
    with ExitStack() as stack:
        one = stack.enter_context(lab(None, "pgsql", {}))
        place = one.store.place
        host = {"host": place.host, "port": str(place.port), "user": place.user, "password": place.password}
        link = psycopg.connect(**host, dbname=place.database, autocommit=True)  # type: ignore[arg-type]
        stack.callback(link.close)
        source = SqlSource(
            "pgsql", (host | {"dbname": place.database},), "SELECT id AS user, password FROM box", "here"
        )
        yield Base(link, source, stack)


def prefixes(table: SqlTable) -> list[Swap]:
    rows = [row for row in table.page(None, COUNT) if row.stored == BARE.encode()]
    return [Swap(row, FULL.encode()) for row in rows]


@pytest.mark.parametrize("mixed", [False, True], ids=["the same before each", "each its own"])
def test_parts_of_a_table_have_places_of_their_own(base: Base, mixed: bool) -> None:
    base.run(
        "CREATE TABLE box (id int, part int, password text, PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
        "CREATE TABLE box0 PARTITION OF box FOR VALUES IN (0)",
        "CREATE TABLE box1 PARTITION OF box FOR VALUES IN (1)",
    )
    base.fill("box")
    table = base.open()
    swaps = prefixes(table)
    if mixed:
        swaps[0] = Swap(swaps[0].row, b"{PLAIN}x")
    assert len(table.swap(swaps).written) == COUNT // 2
    assert base.stored() == [FULL, "{PLAIN}x" if mixed else FULL, *[FULL] * (COUNT - 2)]


@pytest.mark.parametrize("mixed", [False, True], ids=["the same before each", "each its own"])
def test_a_table_that_is_written_anew_meanwhile(base: Base, mixed: bool) -> None:
    """Where an odd row was read, there is an even one now, of the same transaction."""
    base.run("CREATE TABLE box (id int PRIMARY KEY, part int, password text)")
    base.fill("box")
    base.run("DELETE FROM box WHERE id = 0")
    table = base.open()
    swaps = prefixes(table)
    if mixed:
        swaps[0] = Swap(swaps[0].row, b"{PLAIN}x")
    before = base.stored()
    base.run("VACUUM FULL box")
    with pytest.raises(Refused, match=r"box was rewritten meanwhile .* this batch was not changed"):
        table.swap(swaps)
    assert base.stored() == before
    assert len((again := base.open()).swap(prefixes(again)).written) == COUNT // 2
    assert base.stored() == [FULL] * (COUNT - 1)


def test_a_table_from_which_others_inherit(base: Base) -> None:
    base.run(
        "CREATE TABLE box (id int PRIMARY KEY, part int, password text)",
        "CREATE TABLE more () INHERITS (box)",
    )
    with pytest.raises(Refused, match="box: other tables inherit from it"):
        base.open()
