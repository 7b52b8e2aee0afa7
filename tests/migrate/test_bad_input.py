"""Bad stores: one clear report, the good rows done, the bad ones listed, and the exit status says so."""

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from mailauth.hashes import Password, generate
from tests.cli.running import mailauth
from tests.conftest import missing
from tests.migrate.test_apply import USERS, Make, bare_bcrypt, migrated

__all__ = ["migrated"]

FAKE = "$2y$04$abcdefghijklmnopqrstuuJ1p3hPLyaXcWmX6QHVUkQXqzZPS9aLG"


def run(tmp_path: Path, *words: str, status: int) -> str:
    """One report on standard output, or one line of complaint."""
    done = mailauth("migrate", *words, MAILAUTH_STATE=str(tmp_path / "state"))
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    return done.stdout + done.stderr


def apply(tmp_path: Path, url: str, *words: str, status: int) -> str:
    return run(tmp_path, "apply", "--url", url, *words, "--apply", status=status)


def test_a_passwd_file_with_broken_lines_and_names(tmp_path: Path) -> None:
    """The good lines are done; duplicates and broken ones stay as they are."""
    file = tmp_path / "users"
    bare = FAKE.encode()
    before = b"# users\na:%b\na:%b\nno-colon\n:%b\nb\xff:%b\n\nc:%b\r\nd:\0\n" % (
        bare,
        bare,
        bare,
        bare,
        bare,
    )
    file.write_bytes(before)
    url = f"passwd-file:{file}"
    plan = run(tmp_path, "plan", "--url", url, "--prefix", status=1)
    assert "lines that Dovecot never looks at, left as they are: a" in plan
    assert "lines without a password: 4" in plan
    report = json.loads(apply(tmp_path, url, "--prefix", "--json", status=1))
    assert report["report"]["written"] == 2
    assert report["report"]["rows"] == {"failed": ["b\ufffd"]}
    assert list(report["report"]["reasons"]) == ["the user's name, or the row's key, is not UTF-8"]
    after = before.replace(b"a:" + bare, b"a:{BLF-CRYPT}" + bare, 1).replace(b"c:", b"c:{BLF-CRYPT}")
    assert file.read_bytes() == after
    run(tmp_path, "undo", report["id"], "--url", url, "--apply", status=0)
    assert file.read_bytes() == before


def test_sqlite_rows_that_are_not_utf_8(tmp_path: Path) -> None:
    base = tmp_path / "users.sqlite"
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
        link.execute("INSERT INTO users VALUES (CAST(? AS TEXT), ?)", (b"a\xff", FAKE))
        link.execute("INSERT INTO users VALUES (?, CAST(? AS TEXT))", ("b", b" {PLAIN}p\xe4ss "))
        link.executemany("INSERT INTO users VALUES (?, ?)", [("c", FAKE), ("z", FAKE)])
        link.commit()
    words = (
        "--rows-query",
        "SELECT userid AS user, password FROM users",
        "--batch",
        "1",
        "--prefix",
        "--trim",
    )
    report = json.loads(apply(tmp_path, f"sqlite://{base}", *words, "--json", status=1))["report"]
    assert report["written"] == 2
    assert report["failed"] == 1
    assert report["rows"]["failed"] == ["a\ufffd"]


def test_plaintexts_that_are_not_utf_8_come_back(tmp_path: Path) -> None:
    """An undo of them stopped at the first such row, though it had promised all."""
    base = tmp_path / "users.sqlite"
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
        for pair in ((b"a", b"p\xe4sswort"), (b"b", b"{PLAIN}p\xe4ss"), (b"\xe4", b"never")):
            link.execute("INSERT INTO users VALUES (CAST(? AS TEXT), CAST(? AS TEXT))", pair)
        link.commit()
        before = link.execute("SELECT hex(userid), hex(password), typeof(password) FROM users").fetchall()
        words = ("--rows-query", "SELECT userid AS user, password FROM users", "--json")
        done = json.loads(
            apply(
                tmp_path,
                f"sqlite://{base}",
                *words,
                "--default-scheme",
                "PLAIN",
                "--rehash",
                "SSHA512",
                status=1,
            )
        )
        assert (done["report"]["written"], done["report"]["failed"]) == (2, 1)
        undone = mailauth(
            *("migrate", "undo", done["id"], "--url", f"sqlite://{base}", *words, "--apply"),
            MAILAUTH_STATE=str(tmp_path / "state"),
        )
        assert json.loads(undone.stdout)["report"]["written"] == 2, undone.stderr
        now = link.execute("SELECT hex(userid), hex(password), typeof(password) FROM users").fetchall()
    assert now == before


def test_a_trigger_that_refuses_every_change(tmp_path: Path) -> None:
    base = tmp_path / "users.sqlite"
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
        link.execute("INSERT INTO users VALUES ('a', ?)", (FAKE,))
        link.execute("CREATE TRIGGER no BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'read only'); END")
        link.commit()
    said = apply(tmp_path, f"sqlite://{base}", "--prefix", status=1)
    assert "looked at 1, changed 0" in said
    assert "1 x SQLite: a trigger of the table refuses the new string" in said


@pytest.mark.parametrize("store", ["mysql", "pgsql"])
def test_an_account_that_may_only_read(migrated: Make, store: str) -> None:
    one = migrated("2.3.19.1", store, bare_bcrypt(USERS))
    before = one.lab.store.users()
    place = one.lab.store.place
    if store == "pgsql":
        words = (f"ALTER DATABASE {place.database} SET default_transaction_read_only = on",)
        one.lab.store.execute(*words)  # type: ignore[attr-defined]
        problem = "transactions are read-only there"
    else:
        one.lab.store.execute(  # type: ignore[attr-defined]
            "CREATE USER 'reader'@'%' IDENTIFIED BY 'x'",
            f"GRANT SELECT, CREATE TEMPORARY TABLES ON {place.database}.* TO 'reader'@'%'",
        )
        problem = "UPDATE command denied"
    if store == "pgsql":
        at = ("--pid", str(one.lab.master_pid))
        said = one.run("apply", *at, "--prefix", "--apply", status=1, told=True)
    else:
        url = f"mysql://reader@{place.host}:{place.port}/{place.database}"
        done = mailauth(
            *("migrate", "apply", "--url-fd", "0", "--prefix", "--apply"),
            *("--rows-query", "SELECT userid AS user, password FROM users"),
            feed=url.replace("reader@", "reader:x@"),
            MAILAUTH_STATE=str(one.state),
        )
        assert done.returncode == 1, done.stdout + done.stderr
        said = done.stderr
    assert problem in said
    assert not list(one.state.rglob("head.json"))  # nothing was begun
    assert one.lab.store.users() == before


@pytest.mark.parametrize("store", ["mysql", "pgsql"])
def test_a_row_that_is_locked_by_another(migrated: Make, store: str) -> None:
    """The others are done; it is named, and done by the next run."""
    one = migrated("2.3.19.1", store, bare_bcrypt(USERS))
    place = one.lab.store.place
    address: dict[str, Any] = {
        "host": place.host,
        "port": place.port,
        "user": place.user,
        "password": place.password,
    }
    lock = "SELECT * FROM users WHERE userid = 'u7' FOR UPDATE"
    if store == "pgsql":
        with closing(psycopg.connect(**address, dbname=place.database)) as other:
            other.execute(lock)
            done = json.loads(one.at("apply", "--prefix", "--apply", "--json", status=1))
    else:
        with closing(pymysql.connect(**address, database=place.database)) as link, link.cursor() as cursor:
            cursor.execute(lock)
            done = json.loads(one.at("apply", "--prefix", "--apply", "--json", status=1))
    assert done["report"]["written"] == USERS - 1
    assert done["report"]["locked"] == 1
    assert done["report"]["rows"] == {"locked by someone else": ["u7"]}
    again = json.loads(one.at("apply", "--prefix", "--apply", "--json"))
    assert again["report"]["written"] == 1


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """A file system of so many KiB."""
    mounted: list[Path] = []

    def make(name: str, size: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}k,mode=700", "none", str(folder)],
            capture_output=True,
            check=False,
        )
        if made.returncode:
            missing("no file system can be mounted here")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def test_a_full_disk_under_the_passwd_file(tmp_path: Path, small: Callable[[str, int], Path]) -> None:
    file = small("data", 16) / "users"
    file.write_text("".join(f"u{n}:{FAKE}\n" for n in range(150)))
    before = file.read_bytes()
    said = apply(tmp_path, f"passwd-file:{file}", "--prefix", status=1)
    assert "No space left on device" in said
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["users"]


def test_a_full_disk_under_the_journal(tmp_path: Path, small: Callable[[str, int], Path]) -> None:
    """What is in no journal is not changed; what is, can be taken back."""
    file = tmp_path / "users"
    file.write_text("".join(f"u{n}:{FAKE}\n" for n in range(400)))
    before = file.read_bytes()
    state = small("state", 40)
    url = f"passwd-file:{file}"
    said = apply(tmp_path, url, "--prefix", "--batch", "20", status=1)
    assert "the journal cannot be written (No space left on device)" in said
    changed = file.read_bytes().count(b"{BLF-CRYPT}")
    assert 0 < changed < 400
    assert f"changed {changed}" in said
    name = said.partition(":")[0]
    assert "cannot be written" in run(tmp_path, "undo", name, "--url", url, "--apply", status=1)
    subprocess.run(["mount", "-o", "remount,size=1m", str(state)], check=True)
    apply(tmp_path, url, "--prefix", "--resume", name, status=0)
    assert file.read_bytes().count(b"{BLF-CRYPT}") == 400
    run(tmp_path, "undo", name, "--url", url, "--apply", status=0)
    assert file.read_bytes() == before


def test_what_apply_would_refuse_plan_refuses(tmp_path: Path) -> None:
    """A scheme that is none, or weak; a view; a rate of nothing."""
    base = tmp_path / "users.sqlite"
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
        link.execute("CREATE VIEW Seen AS SELECT * FROM users")
        link.execute("INSERT INTO users VALUES ('a', ?)", (FAKE,))
        link.commit()
    url = f"sqlite://{base}"
    users = ("--url", url, "--rows-query", "SELECT userid AS user, password FROM users")
    seen = ("--url", url, "--rows-query", "SELECT userid AS user, password FROM seen")
    for words in (("plan",), ("apply", "--apply")):
        for scheme in ("NOSUCH", "MD4"):
            said = run(tmp_path, *words, *users, "--rehash", scheme, status=1)
            assert "Dovecot could not verify such a hash: " in said
            assert scheme in said
        assert "seen: is a view; name the table" in run(tmp_path, *words, *seen, "--prefix", status=1)
    done = mailauth("migrate", "apply", *users, "--prefix", "--rate", "0", "--apply")
    assert (done.returncode, done.stdout) == (2, "")
    assert not list((tmp_path / "state").rglob("head.json"))


def test_a_table_without_transactions(migrated: Make) -> None:
    one = migrated("2.3.19.1", "mysql", bare_bcrypt(2))
    # MyISAM's keys have at most 1000 bytes, which 255 characters of utf8mb4 are not.
    smaller = "ALTER TABLE users MODIFY userid VARCHAR(128) NOT NULL, ENGINE = MyISAM"
    one.lab.store.execute(smaller)  # type: ignore[attr-defined]
    before = one.lab.store.users()
    one.at("apply", "--prefix", "--apply", status=1)
    assert one.lab.store.users() == before


def test_duplicate_users_are_named_before_anything_is_done(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"a:{FAKE}\nb:{FAKE}\na:{{PLAIN}}other\n")
    plan = run(tmp_path, "plan", "--url", f"passwd-file:{file}", "--prefix", status=1)
    assert "never looks at, left as they are: a" in plan


@pytest.mark.parametrize("store", ["mysql", "pgsql"])
def test_a_column_that_is_too_narrow(migrated: Make, store: str) -> None:
    """Nothing is cut: what does not fit is left and named, what fits is done, and widened, the rest is."""
    short = generate("MD5-CRYPT", Password(b"short")).removeprefix("{MD5-CRYPT}")
    one = migrated("2.3.19.1", store, bare_bcrypt(4) | {"short": short})
    kind = "MODIFY password VARCHAR(64)" if store == "mysql" else "ALTER password TYPE VARCHAR(64)"
    one.lab.store.execute(f"ALTER TABLE users {kind}")  # type: ignore[attr-defined]
    before = one.lab.store.users()
    assert "TOO LONG" in one.at("plan", "--prefix", status=1)
    done = json.loads(one.at("apply", "--prefix", "--apply", "--json", status=1))["report"]
    assert (done["written"], done["failed"], len(done["rows"]["failed"])) == (1, 4, 4)
    assert list(done["reasons"]) == ["the column holds 64 characters, and more are needed: widen it"]
    assert one.lab.store.users() == before | {"short": f"{{MD5-CRYPT}}{short}"}
    one.lab.store.execute(f"ALTER TABLE users {kind.replace('64', '255')}")  # type: ignore[attr-defined]
    assert json.loads(one.at("apply", "--prefix", "--apply", "--json"))["report"]["written"] == 4


def test_plaintexts_whose_hashes_the_column_would_cut(migrated: Make) -> None:
    """One batch of hashes tells; those of the others are not made for nothing."""
    one = migrated("2.3.19.1", "pgsql", {f"u{n}": f"{{PLAIN}}secret{n}" for n in range(6)})
    one.lab.store.execute("ALTER TABLE users ALTER password TYPE VARCHAR(64)")  # type: ignore[attr-defined]
    before = one.lab.store.users()
    words = ("apply", "--rehash", "ARGON2ID", "--batch", "2", "--apply", "--json")
    done = json.loads(one.at(*words, status=1))["report"]
    assert (done["looked_at"], done["written"], done["failed"], done["not_kept"]) == (6, 0, 6, 0)
    assert one.lab.store.users() == before


@pytest.mark.parametrize("store", ["mysql", "pgsql"])
def test_a_null_that_a_list_wrote_over_is_put_back(migrated: Make, store: str, tmp_path: Path) -> None:
    """With others in the same batch."""
    before = bare_bcrypt(2) | {"none": None, "quoted": '{BROKEN}"\\,'}
    one = migrated("2.3.19.1", store, before)
    file = tmp_path / "list.csv"
    file.write_text("".join(f"{user},{user}-pw\n" for user in before))
    file.chmod(0o600)
    key = tmp_path / "key"
    public = one.run("keygen", str(key)).split()[-1]
    made = json.loads(one.at("import", str(file), "--set", "--seal-to", public, "--apply", "--json"))
    assert one.lab.login("none", b"none-pw").ok
    undone = json.loads(one.at("undo", made["id"], "--key", str(key), "--apply", "--json"))["report"]
    assert (undone["written"], undone["not_kept"]) == (4, 0)
    assert one.lab.store.users() == before
