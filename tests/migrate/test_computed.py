"""A password query that makes the password of a column: nothing is written that Dovecot would not get."""

from pathlib import Path

import pytest

from mailauth.lab.stores import SqlStore
from mailauth.migrate.computed import altered
from tests.migrate.test_apply import Make, bare_bcrypt, migrated
from tests.migrate.test_stores import changed_and_back

__all__ = ["migrated"]
COUNT = 12
ROWS = ("--rows-query", "SELECT userid AS user, password FROM users")
COMPUTED = {
    "sqlite": ("users", "'{BLF-CRYPT}' || password"),
    "mysql": ("users", "CONCAT('{BLF-CRYPT}', password)"),
    "pgsql": ("logins", "password"),
}
VIEW = "CREATE VIEW logins AS SELECT userid, '{BLF-CRYPT}' || password AS password FROM users"


@pytest.mark.parametrize("store", ["sqlite", "mysql", "pgsql"])
def test_a_column_that_the_query_puts_something_before_is_not_written(migrated: Make, store: str) -> None:
    table, expression = COMPUTED[store]
    query = f"SELECT userid AS user, {expression} AS password FROM {table} WHERE userid = '%u'"
    one = migrated("2.3.19.1", store, bare_bcrypt(COUNT), query=query)
    assert isinstance(one.lab.store, SqlStore)
    if table == "logins":
        one.lab.store.execute(VIEW)
    before = one.lab.store.users()
    for words in (("plan",), ("apply", "--apply")):
        said = one.run(words[0], "--prefix", *one.pid, *words[1:], *ROWS, status=1, told=True)
        assert "another string than the column" in said
    assert one.lab.store.users() == before
    assert one.logins(2) == [True] * 2


COMPUTES = "SELECT userid AS user, '{BLF-CRYPT}' || password AS password FROM users WHERE userid = '%u'"


@pytest.mark.parametrize("more", ["", " AND ('%s' = 'imap' OR '%s' <> 'imap')"], ids=["plain", "by service"])
def test_what_the_query_does_not_return_is_not_moved(migrated: Make, tmp_path: Path, more: str) -> None:
    """It would go with the default scheme before it: {PLAIN} before a hash that is bcrypt."""
    one = migrated("2.3.19.1", "sqlite", bare_bcrypt(COUNT), query=COMPUTES + more)
    assert one.logins(2) == [True] * 2
    there = tmp_path / "there"
    there.write_text("")
    to = ("--to", f"passwd-file:{there}", "--apply")
    said = one.run("move", *one.pid, *ROWS, *to, status=1, told=True)
    assert "another string than --rows-query" in said
    assert not there.read_text()
    same = ("--rows-query", COMPUTES.partition(" WHERE")[0])
    one.run("move", *one.pid, *same, *to)
    assert all(":{BLF-CRYPT}$2y$" in line for line in there.read_text().splitlines())
    assert len(there.read_text().splitlines()) == COUNT


def test_a_column_that_the_query_returns_for_most_is_written(migrated: Make) -> None:
    query = "SELECT userid AS user, COALESCE(other, password) AS password FROM users WHERE userid = '%u'"
    extra = {"sql_extra": "default_pass_scheme = MD5"}
    one = migrated("2.3.19.1", "sqlite", bare_bcrypt(COUNT), query=query, **extra)
    assert isinstance(one.lab.store, SqlStore)
    one.lab.store.execute("ALTER TABLE users ADD other TEXT")
    changed_and_back(one, *one.pid, *ROWS)


@pytest.mark.parametrize(
    ("pairs", "user"),
    [
        ([], ""),
        ([("a", b"x", b"x")], ""),
        ([("a", b"x", b"x"), ("b", b"x", b"y")], ""),
        ([("a", b"x", b"x"), ("b", b"y", b"{MD5}y")], "b"),
        ([("a", b"x", b"y"), ("b", None, b"y")], "a"),
        ([("a", b"x", None)], "a"),
        ([("a", None, None), ("b", b"", b"y")], ""),
    ],
)
def test_whose_string_is_another_one(pairs: list[tuple[str, bytes | None, bytes | None]], user: str) -> None:
    assert altered(pairs) == user
