"""Keys whose text does not sort or come back are refused before anything is done, on each database."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailauth.dovecot.authconfig import SqlSource
from mailauth.errors import Refused
from mailauth.lab import Lab
from mailauth.lab.stores import SqlStore
from mailauth.stores.swaps import Key
from mailauth.stores.table import opened
from mailauth.stores.url import source_of
from tests.migrate.test_apply import Store, bare_bcrypt

_HEX = "X'00ff', X'01fe', X'02fd'"
KEYS = {
    "sqlite": {"BLOB": _HEX, "REAL": "0.1, 0.2, 0.3"},
    "mysql": {
        "ENUM('c','a','b')": "'a', 'b', 'c'",
        "SET('c','a','b')": "'a', 'b', 'c'",
        "TIME": "'30:00:00', '40:00:00', '50:00:00'",
        "FLOAT": "0.1, 0.2, 0.3",
        "BINARY(16)": _HEX,
    },
    "pgsql": {"bytea": r"'\x00ff', '\x01fe', '\x02fd'", "interval": "'1 day', '-2 hours', '3 years'"},
}
SORTED = {
    "sqlite": {"INTEGER": "1, 2, 3", "TEXT": "'a', 'b', 'c'"},
    "mysql": {
        "INT": "1, 2, 3",
        "DATETIME(6)": "'2024-01-02 03:04:05.6', '2024-01-02', '2025-01-01'",
        "DECIMAL(9,2)": "1.50, 10.25, 9.75",
        "VARBINARY(20)": "'a', 'b', 'B'",
    },
    "pgsql": {
        "uuid": "gen_random_uuid(), gen_random_uuid(), gen_random_uuid()",
        "timestamptz": "now(), '2024-01-02', '2025-01-01'",
        "numeric": "1.50, 10.25, 9.75",
        "double precision": "0.1, 1e-9, 1e20",
    },
}
HASH = bare_bcrypt(1)["u0"]


@pytest.fixture
def database(lab: Callable[..., Lab], tmp_path: Path, sql_store: str) -> Iterator[Store]:
    with lab("2.3.19.1", sql_store, bare_bcrypt(1), sql_extra="default_pass_scheme = MD5") as one:
        yield Store(one, tmp_path / "state")


def keyed(one: Store, kind: str, values: str) -> None:
    """The table that the query of the lab reads, with another primary key."""
    assert isinstance(one.lab.store, SqlStore)
    rows = (f"INSERT INTO users VALUES ({value.strip()}, 'u', '{HASH}')" for value in values.split(", "))
    one.lab.store.execute(
        "DROP TABLE users",
        f"CREATE TABLE users (k {kind} NOT NULL PRIMARY KEY, userid VARCHAR(50), password VARCHAR(255))",
        *rows,
    )


@pytest.mark.parametrize("sql_store", list(KEYS))
def test_such_a_key_is_refused_at_the_plan_and_others_are_read_whole(
    database: Store, sql_store: str, tmp_path: Path
) -> None:
    for kind, values in KEYS[sql_store].items():
        keyed(database, kind, values)
        before = database.lab.store.users()
        for words in (("plan", "--prefix"), ("apply", "--prefix", "--apply")):
            database.at(*words, status=1)
        assert database.lab.store.users() == before, kind
        assert not list((tmp_path / "state").rglob("rows")), "a journal was begun"
    for kind, values in SORTED[sql_store].items():
        keyed(database, kind, values)
        database.at("apply", "--prefix", "--apply", "--batch", "2")
        assert set(database.lab.store.users().values()) == {f"{{BLF-CRYPT}}{HASH}"}, kind


@pytest.mark.parametrize("sql_store", ["mysql", "pgsql"])
def test_all_that_stops_it_is_said_in_one_list(database: Store, sql_store: str) -> None:
    assert isinstance(database.lab.store, SqlStore)
    odd = {"mysql": ("FLOAT", "ENUM('b','a')"), "pgsql": ("bytea", "interval")}[sql_store]
    database.lab.store.execute(
        "DROP TABLE users",
        f"CREATE TABLE users (k {odd[0]} NOT NULL, l {odd[1]} NOT NULL, userid VARCHAR(50), h VARCHAR(255),"
        " password VARCHAR(255) GENERATED ALWAYS AS (h) STORED, PRIMARY KEY (k, l))",
    )
    for words in (("plan", "--prefix"), ("apply", "--prefix", "--apply")):
        said = database.run(words[0], *database.pid, *words[1:], status=1, told=True)
        assert said.count("CANNOT BE DONE") == 1
        for one in ("k [(]", "l [(]", "do not sort", "generated"):
            assert re.search(one, said.replace("`", "")), said


@pytest.mark.parametrize("sql_store", ["sqlite"])
def test_a_page_that_comes_again_and_rows_that_were_not_seen_end_it(database: Store) -> None:
    """Whatever the reason: here one that is refused at the plan, and is read all the same."""
    keyed(database, "BLOB", _HEX)
    query = "SELECT userid AS user, password FROM users"
    source = source_of(f"sqlite:///{database.lab.store.path}", query, None)
    assert isinstance(source, SqlSource)
    table = opened(source)
    try:
        with pytest.raises(Refused, match="read twice"):
            _read(table.page)
    finally:
        table.close()


def _read(page: Callable[[Key | None, int], object]) -> None:
    after: Key | None = None
    while rows := page(after, 2):
        after = rows[-1].key  # type: ignore[index]
