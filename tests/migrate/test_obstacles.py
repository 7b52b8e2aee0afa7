"""What keeps strings from being written is said by the plan, on each database, and refused by apply."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab.stores import SqlStore
from tests.cli.running import ROOT, mailauth
from tests.migrate.conftest import OnLoginLab, secret
from tests.migrate.test_apply import Make, Store, bare_bcrypt, migrated
from tests.migrate.test_undo import MD5, ROWS
from tests.migrate.test_written import TRIGGERS

__all__ = ["migrated"]
COUNT = 3
NARROW = "ALTER TABLE users MODIFY password VARCHAR(60)"
_KEY = "userid VARCHAR(190) PRIMARY KEY"
_REST = "password VARCHAR(255) CHECK (password <> 'x'), home TEXT"
_REMADE = (
    "ALTER TABLE users RENAME TO old",
    f"CREATE TABLE users ({_KEY}, {_REST})",
    "INSERT INTO users (userid, password) SELECT userid, password FROM old",
)
# "Of the column": SQLite and PostgreSQL know it of the table's text, MariaDB by its catalogue.
CHECKED = {
    "sqlite": _REMADE,
    "mysql": ("ALTER TABLE users ADD CONSTRAINT c CHECK (password <> 'x')",),
    "pgsql": ("ALTER TABLE users ADD CONSTRAINT c CHECK (password <> 'x')",),
}
VIEW = "CREATE VIEW webmail AS SELECT userid, password FROM users"
GENERATED = {
    "sqlite": (
        "DROP VIEW webmail",
        "ALTER TABLE users RENAME TO other",
        f"CREATE TABLE users ({_KEY}, hash TEXT, password TEXT AS (hash || ''))",
        "INSERT INTO users (userid, hash) SELECT userid, password FROM other",
    ),
    "mysql": (
        "DROP VIEW webmail",
        "ALTER TABLE users DROP CONSTRAINT c, CHANGE password hash VARCHAR(255)",
        "ALTER TABLE users ADD password VARCHAR(255) AS (CONCAT(hash, '')) STORED",
    ),
    "pgsql": (
        "DROP VIEW webmail",
        "ALTER TABLE users RENAME password TO hash",
        "ALTER TABLE users ADD password VARCHAR(255) GENERATED ALWAYS AS (hash || '') STORED",
    ),
}


def told(one: Store, *words: str, status: int = 1) -> dict[str, bool]:
    """The plan's obstacles, and whether each stops it."""
    plan = json.loads(one.at("plan", "--prefix", "--json", *words, status=status))
    return {found["says"]: found["stops"] for found in plan["obstacles"]}


@pytest.mark.parametrize("store", list(CHECKED))
def test_what_is_in_the_way_is_said_beforehand(migrated: Make, store: str) -> None:
    one = migrated("2.3.19.1", store, bare_bcrypt(COUNT), **MD5)
    base = one.lab.store
    assert isinstance(base, SqlStore)
    assert told(one) == {}
    base.execute(*CHECKED[store], *TRIGGERS[store], VIEW)
    notes = told(one)
    assert not any(notes.values())
    text = " ".join(notes)
    assert "triggers run on each UPDATE (" in text
    assert "CHECK constraints hold for the column (" in text
    assert "views read the table (webmail)" in text
    said = one.at("plan", "--prefix", status=1)
    assert "Note: triggers run on each UPDATE" in said
    assert "Who else reads these strings" in said
    base.execute(*GENERATED[store])
    assert any("generated" in says.lower() and stops for says, stops in told(one).items())
    before = base.users()
    assert "CANNOT BE DONE" in one.at("plan", "--prefix", status=1)
    assert (
        "generated"
        in one.run(
            "apply", "--prefix", "--apply", "--pid", str(one.lab.master_pid), status=1, told=True
        ).lower()
    )
    assert base.users() == before
    assert not list((one.state / "migrate").glob("*/head.json"))  # nothing was begun


@pytest.mark.parametrize("store", ["mysql", "pgsql"])
def test_an_account_that_may_not_write_is_told_so_beforehand(migrated: Make, store: str) -> None:
    one = migrated("2.3.19.1", store, bare_bcrypt(COUNT), **MD5)
    base, place = one.lab.store, one.lab.store.place
    assert isinstance(base, SqlStore)
    account = f"reads{place.database}"
    made = {
        "mysql": (
            f"CREATE USER {account}@'{place.host}' IDENTIFIED BY 'x'",
            f"GRANT SELECT ON {place.database}.* TO {account}@'{place.host}'",
        ),
        "pgsql": (
            f"CREATE USER {account} PASSWORD 'x'",
            f"GRANT SELECT ON users TO {account}",
        ),
    }
    base.execute(*made[store])
    kind = {"mysql": "mysql", "pgsql": "postgresql"}[store]
    url = f"{kind}://{account}:x@{place.host}:{place.port}/{place.database}"
    at = ("--url-fd", "0", *ROWS, "--default-scheme", "MD5", "--dovecot", "2.3.19.1", "--prefix")
    try:
        found = json.loads(one.run("plan", *at, "--json", feed=url, status=1))["obstacles"]
        says = "; ".join(each["says"] for each in found if each["stops"])
        assert ("UPDATE command denied" if store == "mysql" else "permission denied for table users") in says
        before = base.users()
        assert "denied" in one.run("apply", *at, "--apply", feed=url, status=1, told=True)
        assert base.users() == before
        if store == "mysql":  # batches go over in a temporary table, where one may be made
            base.execute(f"GRANT UPDATE ON {place.database}.* TO {account}@'{place.host}'")
            found = json.loads(one.run("plan", *at, "--json", feed=url, status=1))["obstacles"]
            assert [("one by one" in each["says"], each["stops"]) for each in found] == [(True, False)]
        else:
            base.execute(
                "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
                f"CREATE POLICY p ON users FOR SELECT TO {account} USING (true)",
            )
            found = json.loads(one.run("plan", *at, "--json", feed=url, status=1))["obstacles"]
            assert "row-level security holds" in " ".join(each["says"] for each in found)
    finally:
        drop = (f"DROP OWNED BY {account}", f"DROP USER {account}")
        base.execute(*(drop if store == "pgsql" else (f"DROP USER {account}@'{place.host}'",)))


def test_blanks_that_the_column_itself_puts_there_are_not_taken_away(migrated: Make) -> None:
    one = migrated(
        "2.3.19.1", "pgsql", {f"u{n}": generate("SSHA", Password(secret(n))) for n in range(COUNT)}
    )
    base = one.lab.store
    assert isinstance(base, SqlStore)
    base.execute("ALTER TABLE users ALTER password TYPE character(80)")
    plan = json.loads(one.at("plan", "--trim", "--json", status=1))
    assert "the column is character(80), which fills up with blanks" in plan["obstacles"][0]["says"]
    report = json.loads(one.at("apply", "--trim", "--apply", "--json", status=1))["report"]
    assert (report["written"], report["changed"], report["failed"]) == (0, 0, COUNT)


def test_a_domain_is_what_it_is_made_of(migrated: Make) -> None:
    """Of one over character(n), strings counted as written, and undo called them changed meanwhile."""
    users = {f"u{n}": "{PLAIN}" + secret(n).decode() for n in range(COUNT)}
    one = migrated("2.3.19.1", "pgsql", users)
    base = one.lab.store
    assert isinstance(base, SqlStore)
    base.execute(
        "CREATE DOMAIN fixed AS character(120) CHECK (VALUE <> 'x')",
        "CREATE DOMAIN secret AS fixed",
        "ALTER TABLE users ALTER password TYPE secret",
    )
    before = base.users()
    words = ("--rehash", "SSHA512")
    said = " ".join(
        each["says"] for each in json.loads(one.at("plan", *words, "--json", status=1))["obstacles"]
    )
    assert "the column is character(120), which fills up with blanks" in said
    done = json.loads(one.at("apply", *words, "--apply", "--json", status=1))
    assert (done["report"]["written"], done["report"]["failed"]) == (0, COUNT)
    assert base.users() == before
    base.execute(
        "CREATE DOMAIN narrow AS varchar(60)",
        "ALTER TABLE users ALTER password TYPE narrow USING btrim(password)",
    )
    assert json.loads(one.at("plan", *words, "--json", status=1))["too_long"] == COUNT


def test_hashes_that_would_not_fit_are_counted_beforehand(migrated: Make) -> None:
    users = {f"u{n}": "{PLAIN}" + secret(n).decode() for n in range(COUNT)}
    one = migrated("2.3.19.1", "mysql", users)
    base = one.lab.store
    assert isinstance(base, SqlStore)
    base.execute(NARROW)
    words = ("--rehash", "ARGON2ID", "--profile", "owasp-7")
    assert json.loads(one.at("plan", *words, "--json", status=1))["too_long"] == COUNT
    assert f"The journal will hold {COUNT} plaintexts" in one.at("plan", *words, status=1)


_QUERY = "SELECT {} FROM {} WHERE {}"
COMPUTED = _QUERY.format("CONCAT('', password) AS password", "users", "userid = '%u'")
VIEWED = _QUERY.format("password", "logins", "userid = '%u'")
COMPUTING = "CREATE VIEW logins AS SELECT userid, CONCAT('{SSHA}', password) AS password FROM users"
JOINED = _QUERY.format("users.password", "users JOIN users o USING (userid)", "userid = '%u'")


@pytest.mark.parametrize(
    ("query", "change", "said"),
    [
        (COMPUTED, (), "the password is computed"),
        (JOINED, (), "reads users JOIN users o USING (userid) in a way that names no one row"),
        ("", (NARROW,), "holds 60 characters"),
        ("", GENERATED["mysql"][1:], "is generated"),
        (VIEWED, (COMPUTING,), "logins: is a view of"),
    ],
    ids=["computed", "joined", "narrow", "generated", "view"],
)
def test_on_login_is_not_enabled_where_nothing_can_be_written(
    on_login: Callable[..., OnLoginLab], query: str, change: tuple[str, ...], said: str
) -> None:
    users = {"u0": generate("SSHA", Password(secret(0)))}
    found = on_login("2.3.19.1", "mysql", users, **({"query": query} if query else {}))
    base = found.lab.store
    assert isinstance(base, SqlStore)
    base.execute(*(one.replace("DROP CONSTRAINT c, ", "") for one in change))
    config = Path(found.lab.config).read_bytes()
    refused = found.mailauth("enable", *found.at, "--port", str(found.port), "--apply", ok=False)
    assert refused.returncode == 1
    assert "No user could be migrated. passdb 1" in refused.stderr
    assert said in refused.stderr
    assert Path(found.lab.config).read_bytes() == config


def test_a_file_of_several_names_and_one_that_is_mounted(tmp_path: Path) -> None:
    """A passwd-file is replaced whole: other names keep the old one, and a mount cannot be replaced."""
    file = tmp_path / "users"
    file.write_text(f"u0:{bare_bcrypt(1)['u0']}\n")
    (tmp_path / "other").hardlink_to(file)
    words = ("migrate", "plan", "--prefix", "--url", f"passwd-file:{file}")
    assert "has 1 more hard link: under that name the old content stays" in mailauth(*words).stdout
    if os.geteuid() or shutil.which("unshare") is None:
        pytest.skip("only root mounts")
    before = file.read_bytes()
    bound = 'mount --bind "$0" "$0" && exec "$@"'
    argv = [sys.executable, "-m", "mailauth", "migrate", "apply", *words[2:], "--apply"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", bound, str(file), *argv],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"MAILAUTH_STATE": str(tmp_path / "state")},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "is mounted by itself, so it cannot be replaced whole: mount its folder" in done.stderr
    assert file.read_bytes() == before
