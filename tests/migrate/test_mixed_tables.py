"""Tables that hold more than passwords in the column; a login is the judge, and nothing else is changed."""

import json

import pytest

from mailauth.lab.stores import SqlStore
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Make, migrated

__all__ = ["migrated"]
COUNT = 6
KEYED = "CREATE TABLE props (userid VARCHAR(99), name VARCHAR(99), value TEXT, PRIMARY KEY (userid, name))"
NUMBERED = (
    "CREATE TABLE props (id INTEGER PRIMARY KEY, userid VARCHAR(99), name VARCHAR(99), value VARCHAR(255))"
)
ALONE = "SELECT userid AS user, value AS password FROM props WHERE userid = '%u' AND name = 'password'"
JOINED = (
    "SELECT u.userid AS user, p.value AS password FROM users u JOIN props p ON p.userid = u.userid"
    " WHERE u.userid = '%u' AND p.name = 'password'"
)


def rows(store: SqlStore) -> list[tuple[str, ...]]:
    with store._cursor() as cursor:
        cursor.execute("SELECT userid, name, value FROM props ORDER BY userid, name")
        return [tuple(row) for row in cursor.fetchall()]


@pytest.mark.parametrize(
    ("store", "table", "query"),
    [("sqlite", KEYED, ALONE), ("mysql", NUMBERED, ALONE), ("pgsql", KEYED, JOINED)],
)
def test_of_several_properties_of_a_user_the_password_alone_is_changed(
    migrated: Make, store: str, table: str, query: str
) -> None:
    """A full name is a plaintext to the column's default scheme, too, and was made a hash."""
    users: dict[str, str | None] = {f"u{n}": "not it" for n in range(COUNT)}
    one = migrated("2.3.19.1", store, users, query=query, sql_extra="default_pass_scheme = PLAIN")
    assert isinstance(one.lab.store, SqlStore)
    values = [
        (f"u{n}", name, value)
        for n in range(COUNT)
        for name, value in (("password", secret(n).decode()), ("fullname", "John Smith"), ("quota", "100 MB"))
    ]
    one.lab.store.execute(
        table,
        *(f"INSERT INTO props {_columns(table)} VALUES {_row(table, n, *it)}" for n, it in enumerate(values)),
    )
    before = rows(one.lab.store)
    assert one.logins(COUNT) == [True] * COUNT
    told = one.at("plan", "--rehash", "SSHA512", status=1)
    assert f": {COUNT} of {3 * COUNT}; {2 * COUNT} rows (u0, u1, " in told
    done = json.loads(one.at("apply", "--rehash", "SSHA512", "--apply", "--json"))
    assert done["report"]["written"] == COUNT
    assert one.logins(COUNT) == [True] * COUNT
    now = rows(one.lab.store)
    assert [row for row in now if row[1] != "password"] == [row for row in before if row[1] != "password"]
    assert all(value.startswith("{SSHA512}") for _, name, value in now if name == "password")
    one.at("undo", done["id"], "--apply")
    assert rows(one.lab.store) == before


def _columns(table: str) -> str:
    return "(id, userid, name, value)" if table == NUMBERED else "(userid, name, value)"


def _row(table: str, number: int, *values: str) -> str:
    quoted = ", ".join(f"'{value}'" for value in values)
    return f"({number}, {quoted})" if table == NUMBERED else f"({quoted})"


KINDS = "CREATE TABLE members (userid VARCHAR(99) PRIMARY KEY, what INT, kind VARCHAR(9), value VARCHAR(255))"
OF_KINDS = "SELECT userid AS user, value AS password FROM members WHERE userid = '%{user}' AND "


@pytest.mark.parametrize(("store", "condition"), [("sqlite", "kind = 'box'"), ("mysql", "what = 1")])
def test_rows_of_another_kind_are_named_and_left(migrated: Make, store: str, condition: str) -> None:
    """An alias' target is a plaintext to the column's default scheme, too, though each name is there once."""
    users: dict[str, str | None] = {f"u{n}": "not it" for n in range(COUNT)}
    one = migrated(
        "2.4.1", store, users, query=OF_KINDS + condition, sql_extra="passdb_default_password_scheme = PLAIN"
    )
    assert isinstance(one.lab.store, SqlStore)
    boxes = [f"('u{n}', 1, 'box', '{secret(n).decode()}')" for n in range(COUNT)]
    others = [
        "('sales', 2, 'alias', 'u1@example.org')",
        "('all', 3, 'list', NULL)",
        "('odd', NULL, NULL, 'x')",
    ]
    one.lab.store.execute(KINDS, *(f"INSERT INTO members VALUES {row}" for row in (*boxes, *others)))
    told = one.at("plan", "--rehash", "SSHA512", status=1)
    assert f": {COUNT} of {COUNT + 3}; 3 rows (all, odd, sales) are left, because" in told
    done = json.loads(one.at("apply", "--rehash", "SSHA512", "--apply", "--json"))
    assert done["report"]["written"] == COUNT
    assert one.logins(COUNT) == [True] * COUNT
    with one.lab.store._cursor() as cursor:
        cursor.execute("SELECT userid, value FROM members WHERE userid IN ('sales', 'all', 'odd')")
        assert dict(cursor.fetchall()) == {"sales": "u1@example.org", "all": None, "odd": "x"}
