"""What is counted as written was read back: triggers that spoil, keep or refuse it, on each database."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailauth.lab import Lab
from mailauth.lab.stores import SqlStore
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Store, bare_bcrypt

USERS = 9
SPOILED, KEPT, REFUSED = "u3", "u5", "u7"

_PGSQL = f"""
CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.userid = '{SPOILED}' THEN NEW.password := 'garbage'; END IF;
  IF NEW.userid = '{KEPT}' THEN RETURN NULL; END IF;
  IF NEW.userid = '{REFUSED}' THEN RAISE EXCEPTION 'no: %', NEW.password; END IF;
  RETURN NEW; END $$
"""
_SQLITE_SPOILED = f"""
CREATE TRIGGER a AFTER UPDATE ON users WHEN NEW.userid = '{SPOILED}' AND NEW.password <> 'garbage'
BEGIN UPDATE users SET password = 'garbage' WHERE userid = '{SPOILED}'; END
"""
_SQLITE_KEPT = f"""
CREATE TRIGGER b BEFORE UPDATE ON users WHEN NEW.userid = '{KEPT}' BEGIN SELECT RAISE(IGNORE); END
"""
_SQLITE_REFUSED = f"""
CREATE TRIGGER c BEFORE UPDATE ON users WHEN NEW.userid = '{REFUSED}' BEGIN SELECT RAISE(ABORT, 'no'); END
"""
_MYSQL = f"""
CREATE TRIGGER odd BEFORE UPDATE ON users FOR EACH ROW BEGIN
  IF NEW.userid = '{SPOILED}' THEN SET NEW.password = 'garbage'; END IF;
  IF NEW.userid = '{KEPT}' THEN SET NEW.password = OLD.password; END IF;
  IF NEW.userid = '{REFUSED}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF; END
"""
TRIGGERS = {
    "sqlite": (_SQLITE_SPOILED, _SQLITE_KEPT, _SQLITE_REFUSED),
    "pgsql": (
        _PGSQL,
        "CREATE TRIGGER odd BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION odd()",
    ),
    "mysql": (_MYSQL,),
}
UNTRIGGERED = {
    "sqlite": ("DROP TRIGGER a", "DROP TRIGGER b", "DROP TRIGGER c"),
    "pgsql": ("DROP TRIGGER odd ON users",),
    "mysql": ("DROP TRIGGER odd",),
}


@pytest.fixture
def database(lab: Callable[..., Lab], tmp_path: Path, sql_store: str) -> Iterator[Store]:
    with lab("2.3.19.1", sql_store, bare_bcrypt(USERS), sql_extra="default_pass_scheme = MD5") as one:
        yield Store(one, tmp_path / "state")


@pytest.mark.parametrize("sql_store", list(TRIGGERS))
def test_rows_that_do_not_take_the_new_string_are_left_and_said(database: Store, sql_store: str) -> None:
    before = database.lab.store.users()
    assert isinstance(database.lab.store, SqlStore)
    database.lab.store.execute(*TRIGGERS[sql_store])
    done = json.loads(database.at("apply", "--prefix", "--apply", "--json", status=1))
    report = done["report"]
    assert (report["written"], report["changed"], report["failed"]) == (USERS - 3, 0, 3)
    assert sorted(report["rows"]["failed"]) == [SPOILED, KEPT, REFUSED]
    assert not report["problem"]
    assert "$2y$" not in json.dumps(report)
    after = database.lab.store.users()
    left = {name for name in before if after[name] == before[name]}
    assert left == {SPOILED, KEPT, REFUSED}
    wanted = [f"u{number}" not in left for number in range(USERS)]
    assert database.logins(USERS) == wanted
    undone = json.loads(database.at("undo", done["id"], "--apply", "--json"))
    assert (undone["report"]["written"], undone["report"]["already"]) == (USERS - 3, 3)
    assert database.lab.store.users() == before
    database.lab.store.execute(*UNTRIGGERED[sql_store])
    assert json.loads(database.at("apply", "--prefix", "--apply", "--json"))["report"]["written"] == USERS
    database.lab.login(SPOILED, secret(3))  # fails: another schema than Dovecot's driver has prepared for
    assert database.lab.login(SPOILED, secret(3)).ok


_AFTER = f"""
CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.userid IN ('{SPOILED}', '{KEPT}') AND NEW.password LIKE '{{%' THEN
    IF NEW.userid = '{SPOILED}' THEN
      UPDATE users SET password = 'garbage' WHERE userid = NEW.userid;
    ELSE
      BEGIN UPDATE users SET password = OLD.password WHERE userid = NEW.userid;
      EXCEPTION WHEN division_by_zero THEN NULL; END;
    END IF;
  END IF;
  IF NEW.userid = '{REFUSED}' THEN
    RAISE EXCEPTION 'no: %', NEW.password USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL; END $$
"""


_PARTED = (
    "CREATE TABLE parted (LIKE users INCLUDING ALL) PARTITION BY HASH (userid)",
    "CREATE TABLE part PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    "INSERT INTO parted SELECT * FROM users",
    "DROP TABLE users",
    "ALTER TABLE parted RENAME TO users",
    "GRANT ALL ON users TO PUBLIC",
)


_AT_ONCE = "CREATE TRIGGER after AFTER UPDATE ON {}"
_AT_COMMIT = "CREATE CONSTRAINT TRIGGER after AFTER UPDATE ON {} DEFERRABLE INITIALLY DEFERRED"


@pytest.mark.parametrize("sql_store", ["pgsql"])
@pytest.mark.parametrize(
    ("made", "trigger"),
    [((), _AT_ONCE.format("users")), (_PARTED, _AT_ONCE.format("part")), ((), _AT_COMMIT.format("users"))],
    ids=["users", "part", "at the commit"],
)
def test_what_triggers_do_after_the_update_is_seen_too(
    database: Store, made: tuple[str, ...], trigger: str
) -> None:
    """UPDATE ... RETURNING is evaluated before them; BEGIN ... EXCEPTION writes with another xmin."""
    before = database.lab.store.users()
    assert isinstance(database.lab.store, SqlStore)
    database.lab.store.execute(*made, _AFTER, f"{trigger} FOR EACH ROW EXECUTE FUNCTION after()")
    report = json.loads(database.at("apply", "--prefix", "--apply", "--json", status=1))["report"]
    assert (report["written"], report["changed"], report["failed"]) == (USERS - 3, 0, 3)
    assert "$2y$" not in json.dumps(report)
    after = database.lab.store.users()
    assert {name for name in before if after[name] == before[name]} == {SPOILED, KEPT, REFUSED}


@pytest.mark.parametrize("sql_store", ["pgsql"])
def test_rows_under_a_policy_that_lets_them_be_read_only_are_not_called_changed(
    database: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row-level security: PostgreSQL's manual, 5.9: an UPDATE passes over them without a word."""
    assert isinstance(database.lab.store, SqlStore)
    database.lab.store.execute(
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
        "CREATE ROLE clerk LOGIN PASSWORD 'clerk'",
        "GRANT SELECT, UPDATE ON users TO clerk",
        "CREATE POLICY seen ON users FOR SELECT USING (true)",
        "CREATE POLICY ours ON users FOR UPDATE USING (userid <> 'u4')",
    )
    place = database.lab.store.place
    (tmp_path / "pgpass").write_text("*:*:*:clerk:clerk\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    url = f"postgresql://clerk@{place.host}:{place.port}/{place.database}"
    rows = ("--url", url, "--rows-query", "SELECT userid AS user, password FROM users")
    words = ("apply", *rows, "--default-scheme", "MD5", "--prefix", "--apply", "--json")
    report = json.loads(database.run(*words, status=1))["report"]
    assert (report["written"], report["changed"], report["failed"]) == (USERS - 1, 0, 1)
    assert report["rows"]["failed"] == ["u4"]


@pytest.mark.parametrize("sql_store", ["pgsql"])
def test_a_rule_in_place_of_the_update_is_refused_and_one_beside_it_is_not(database: Store) -> None:
    before = database.lab.store.users()
    assert isinstance(database.lab.store, SqlStore)
    database.lab.store.execute(
        "CREATE RULE r AS ON UPDATE TO users WHERE NEW.userid = 'u4' DO INSTEAD NOTHING"
    )
    assert "CANNOT BE DONE: rules do something else in place" in database.at("plan", "--prefix", status=1)
    database.at("apply", "--prefix", "--apply", status=1)
    assert database.lab.store.users() == before
    database.lab.store.execute(
        "DROP RULE r ON users",
        "CREATE TABLE seen (userid VARCHAR(190))",
        "GRANT ALL ON seen TO PUBLIC",
        "CREATE RULE r AS ON UPDATE TO users DO ALSO INSERT INTO seen VALUES (NEW.userid)",
    )
    assert "rules do more on each UPDATE (r)" in database.at("plan", "--prefix", status=1)
    database.at("apply", "--prefix", "--apply")
    assert database.logins(USERS) == [True] * USERS


_AS_BYTES = "ALTER TABLE users ALTER password TYPE {0} USING convert_to(password, 'UTF8')"
_PUBLISHED = ("CREATE PUBLICATION p FOR TABLE users", "ALTER TABLE users REPLICA IDENTITY NOTHING")
CANNOT = {
    "bytea": (_AS_BYTES.format("bytea"),),
    "a domain of bytea": ("CREATE DOMAIN raw AS bytea", _AS_BYTES.format("raw")),
    "json": ("ALTER TABLE users ALTER password TYPE json USING to_json(password)",),
    "replica identity": _PUBLISHED,
}


@pytest.mark.parametrize("sql_store", ["pgsql"])
@pytest.mark.parametrize("what", list(CANNOT))
def test_what_postgresql_takes_no_string_into_is_refused_at_the_plan(database: Store, what: str) -> None:
    """The plan promised each row, and apply said that the store does not answer."""
    assert isinstance(database.lab.store, SqlStore)
    database.lab.store.execute(*CANNOT[what])
    before = database.lab.store.users()
    assert what.rpartition(" ")[2] in database.at("plan", "--prefix", status=1).partition("CANNOT BE DONE")[2]
    database.at("apply", "--prefix", "--apply", status=1)
    assert database.lab.store.users() == before


@pytest.mark.parametrize("sql_store", list(TRIGGERS))
def test_a_check_that_refuses_one_row_stops_no_other(database: Store) -> None:
    assert isinstance(database.lab.store, SqlStore)
    check = "CHECK (userid <> 'u6' OR password NOT LIKE '{%')"
    if database.lab.driver == "sqlite":
        rows = database.lab.store.users()
        database.lab.store.execute(
            "DROP TABLE users",
            f"CREATE TABLE users (userid VARCHAR(255) NOT NULL PRIMARY KEY, password TEXT NULL, {check})",
        )
        database.lab.store.set_users(rows)
    else:
        database.lab.store.execute(f"ALTER TABLE users ADD CONSTRAINT bare {check}")
    report = json.loads(database.at("apply", "--prefix", "--apply", "--json", status=1))["report"]
    assert (report["written"], report["failed"], report["problem"]) == (USERS - 1, 1, "")
    assert report["rows"]["failed"] == ["u6"]
