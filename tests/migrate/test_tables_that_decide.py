"""What a table's own constraints, history, parts and kind come to is said by the plan, on real servers."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from mailauth.lab.stores import SqlStore
from tests.migrate.test_apply import Make, bare_bcrypt, migrated
from tests.migrate.test_undo import MD5, ROWS

__all__ = ["migrated"]
COUNT = 3
_TABLE = "CREATE TABLE users (userid VARCHAR(190) PRIMARY KEY, password {})"
_HASHED = "CREATE TABLE users (userid VARCHAR(190) PRIMARY KEY, password TEXT) PARTITION BY HASH (userid)"
_PART = "CREATE TABLE part PARTITION OF users FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
_FUNCTION = (
    "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
    " $$BEGIN INSERT INTO history VALUES (OLD.userid, OLD.password); RETURN NEW; END$$"
)
_KEEP = (
    "CREATE TABLE history (userid TEXT, password TEXT)",
    _FUNCTION,
    "CREATE TRIGGER keeps AFTER UPDATE ON part FOR EACH ROW EXECUTE FUNCTION keep()",
)
_NOTED: dict[str, tuple[str, Sequence[str], str, int]] = {
    # what is made, what the plan says, and how many rows apply changes
    "index": (
        "sqlite",
        [_TABLE.format("TEXT"), "CREATE UNIQUE INDEX firsts ON users (substr(password, 1, 11))"],
        "UNIQUE constraint or index (firsts)",
        1,
    ),
    "indexed": (
        "pgsql",
        [_TABLE.format("TEXT"), "CREATE UNIQUE INDEX firsts ON users (left(password, 11))"],
        "UNIQUE constraint or index (firsts)",
        1,
    ),
    "unique": ("mysql", [_TABLE.format("VARCHAR(255), UNIQUE own (password)")], "(own)", COUNT),
    "generated": (
        "mysql",
        [_TABLE.format("VARCHAR(255), h VARCHAR(60) AS (password) PERSISTENT")],
        "columns are generated from the column (h)",
        0,
    ),
    "made": (
        "pgsql",
        [_TABLE.format("TEXT, h VARCHAR(60) GENERATED ALWAYS AS (password) STORED")],
        "columns are generated from the column (h character varying(60))",
        0,
    ),
    "referred": (
        "mysql",
        [
            _TABLE.format("VARCHAR(255), UNIQUE own (password)"),
            "INSERT INTO users SELECT * FROM old",
            "CREATE TABLE other (p VARCHAR(255), CONSTRAINT f FOREIGN KEY (p) REFERENCES users (password))",
            "INSERT INTO other SELECT password FROM users",
            "DELETE FROM old",
        ],
        "foreign keys include the column (other: f)",
        0,
    ),
    "references": (
        "pgsql",
        [
            _TABLE.format("TEXT UNIQUE"),
            "INSERT INTO users SELECT * FROM old",
            "CREATE TABLE other (p TEXT CONSTRAINT f REFERENCES users (password))",
            "INSERT INTO other SELECT password FROM users",
            "DELETE FROM old",
        ],
        "foreign keys include the column (other: f)",
        0,
    ),
    "versioned": (
        "mysql",
        [_TABLE.format("VARCHAR(255)") + " WITH SYSTEM VERSIONING"],
        "keeps its history (users WITH SYSTEM VERSIONING): old strings, plaintexts too, stay readable",
        COUNT,
    ),
    "parts": ("pgsql", [_HASHED, _PART, *_KEEP], "(keeps): a row whose new string", COUNT),
    "published": (
        "pgsql",
        [_TABLE.format("TEXT"), "CREATE PUBLICATION all_of_it FOR TABLE users"],
        "(all_of_it)",
        COUNT,
    ),
}


def again(base: SqlStore, statements: Sequence[str]) -> None:
    """The table is made anew, with the same rows."""
    base.execute(
        "ALTER TABLE users RENAME TO old",
        *statements,
        "INSERT INTO users (userid, password) SELECT userid, password FROM old",
    )


@pytest.mark.parametrize("name", _NOTED)
def test_what_the_table_decides_is_said_before(migrated: Make, name: str) -> None:
    store, statements, says, changed = _NOTED[name]
    one = migrated("2.3.19.1", store, bare_bcrypt(COUNT), **MD5)
    base = one.lab.store
    assert isinstance(base, SqlStore)
    again(base, statements)
    before = base.users()
    plan = json.loads(one.at("plan", "--prefix", "--json", status=1))
    assert any(says in found["says"] and not found["stops"] for found in plan["obstacles"]), plan["obstacles"]
    done = json.loads(one.at("apply", "--prefix", "--apply", "--json", status=int(changed < COUNT)))
    assert (done["report"]["written"], done["report"]["failed"]) == (changed, COUNT - changed)
    one.at("undo", done["id"], "--apply")
    assert base.users() == before
    if name == "versioned":  # what was said about it
        count = _asked(base, "SELECT COUNT(*) FROM users FOR SYSTEM_TIME ALL WHERE password LIKE '$2%'")
        assert count == 2 * COUNT
        base.execute("DELETE HISTORY FROM users")
        assert _asked(base, "SELECT COUNT(*) FROM users FOR SYSTEM_TIME ALL") == COUNT


_REFUSED: dict[str, tuple[str, Sequence[str], str]] = {
    "enum": ("mysql", ["ENUM"], "the column is of the type enum"),
    "set": ("mysql", ["SET"], "the column is of the type set"),
    "key": (
        "mysql",
        ["CREATE TABLE users (userid VARCHAR(190), password VARCHAR(255), PRIMARY KEY (userid, password))"],
        "password is part of its primary key",
    ),
    "keys": (
        "sqlite",
        ["CREATE TABLE users (userid TEXT, password TEXT, PRIMARY KEY (userid, password))"],
        "password is part of its primary key",
    ),
    "kept": (
        "pgsql",
        ["CREATE MATERIALIZED VIEW users AS SELECT * FROM old"],
        "is a materialized view of old",
    ),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_a_table_that_cannot_be_changed_is_refused_by_the_plan(migrated: Make, name: str) -> None:
    store, statements, says = _REFUSED[name]
    users = bare_bcrypt(COUNT)
    one = migrated("2.3.19.1", store, users, **MD5)
    base = one.lab.store
    assert isinstance(base, SqlStore)
    if name in ("enum", "set"):
        values = ", ".join(f"'{stored}'" for stored in users.values())
        base.execute(f"ALTER TABLE users MODIFY password {name}({values})")
    elif name == "kept":
        base.execute("ALTER TABLE users RENAME TO old", *statements)
    else:
        again(base, statements)
    before = base.users()
    assert says in one.run("plan", *one.pid, "--prefix", status=1, told=True)
    assert says in one.run("apply", *one.pid, "--prefix", "--apply", status=1, told=True)
    assert base.users() == before
    assert not list((one.state / "migrate").glob("*/head.json"))


def test_a_foreign_table_is_changed_where_it_is_kept(migrated: Make) -> None:
    """It has no key, and its rows' versions are those of no table here."""
    one = migrated("2.3.19.1", "pgsql", bare_bcrypt(COUNT), **MD5)
    base, place = one.lab.store, one.lab.store.place
    assert isinstance(base, SqlStore)
    try:
        base.execute("CREATE EXTENSION postgres_fdw")
    except Exception as why:  # noqa: BLE001 - the driver's own; the package has it or not
        pytest.skip(f"{why}")
    reach = f"host '{place.host}', port '{place.port}', dbname '{place.database}'"
    base.execute(
        "CREATE SCHEMA far",
        "ALTER TABLE users SET SCHEMA far",
        f"CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({reach})",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER there"
        f" OPTIONS (user '{place.user}', password '{place.password}')",
        "CREATE FOREIGN TABLE users (userid VARCHAR(190), password TEXT)"
        " SERVER there OPTIONS (schema_name 'far')",
    )
    before = base.users()
    said = one.run("plan", *one.pid, "--prefix", status=1, told=True)
    assert f"is a foreign table of the server there (host={place.host} port={place.port}" in said
    assert str(place.password) not in said
    assert base.users() == before


def test_a_read_only_server_is_said_to_be_one(migrated: Make) -> None:
    """Of MariaDB's EXPLAIN UPDATE, read_only refuses nothing."""
    one = migrated("2.3.19.1", "mysql", bare_bcrypt(COUNT), **MD5)
    base, place = one.lab.store, one.lab.store.place
    assert isinstance(base, SqlStore)
    account = f"writes{place.database}"
    base.execute(
        f"CREATE USER {account}@'{place.host}' IDENTIFIED BY 'x'",
        f"GRANT SELECT, UPDATE, CREATE TEMPORARY TABLES ON {place.database}.* TO {account}@'{place.host}'",
    )
    url = f"mysql://{account}:x@{place.host}:{place.port}/{place.database}"
    at = ("--url-fd", "0", *ROWS, "--default-scheme", "MD5", "--dovecot", "2.3.19.1", "--prefix")
    try:
        base.execute("SET GLOBAL read_only = 1")
        found = json.loads(one.run("plan", *at, "--json", feed=url, status=1))["obstacles"]
    finally:
        base.execute("SET GLOBAL read_only = 0", f"DROP USER {account}@'{place.host}'")
    assert any("read_only" in each["says"] and not each["stops"] for each in found)
    assert any("--read-only option" in each["says"] and each["stops"] for each in found)


def _asked(base: SqlStore, query: str) -> Any:
    """The one value."""
    with base._cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]
