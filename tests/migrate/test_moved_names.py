"""A user who is moved must be able to log in by the name that the target has; a login is the judge."""

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.migrate.move import NAMED_IN, TWICE
from mailauth.stores.file_domains import domain_of
from tests.cli.running import mailauth
from tests.field.rig import Rig
from tests.migrate.test_apply import Make, Store, migrated
from tests.migrate.test_move import moved, undo
from tests.migrate.test_undo import stored_of

__all__ = ["migrated"]
WORDS = {"bob@a.example": b"bob of a", "bob@b.example": b"bob of b", "ann@a.example": b"ann of a"}
_2_3 = """protocols = imap
ssl = no
passdb {
  driver = passwd-file
  args = username_format=%n @DIR@/domains/%d/passwd
}
passdb {
  driver = sql
  args = @DIR@/sql.ext
}
"""
_2_4 = """dovecot_config_version = @VERSION@
dovecot_storage_version = @VERSION@
protocols = imap
ssl = no
passdb passwd-file {
  passwd_file_path = @DIR@/domains/%{user | domain}/passwd
  auth_username_format = %{user | username}
}
passdb sql {
  sql_driver = sqlite
  sqlite_path = @FILE@
  query = SELECT name AS user, pw AS password FROM mailbox WHERE name = '%{user}'
  default_password_scheme = CRYPT
}
"""
_SQL = """driver = sqlite
connect = @FILE@
default_pass_scheme = CRYPT
password_query = SELECT name AS user, pw AS password FROM mailbox WHERE name = '%u'
"""
_TABLE = "CREATE TABLE mailbox (name TEXT PRIMARY KEY, pw TEXT)"


@pytest.mark.parametrize(("version", "main"), [("2.3.19.1", _2_3), ("2.4.1", _2_4)])
def test_users_of_a_file_for_each_domain_keep_their_domain(tmp_path: Path, version: str, main: str) -> None:
    """The names in the files have none, and two are the same."""
    files = {"dovecot.conf": main, "sql.ext": _SQL}
    files |= {f"domains/{domain}/passwd": "" for domain in ("a.example", "b.example")}
    for user, word in WORDS.items():
        name, _, domain = user.partition("@")
        files[f"domains/{domain}/passwd"] += f"{name}:{generate('SSHA512', Password(word))}:::::\n"
    with Rig(version, "sqlite", files, [_TABLE]) as lab:
        subprocess.run(["chmod", "-R", "a+rX", str(lab.folder / "domains")], check=True)
        one = Store(lab, tmp_path / "state")
        assert [lab.login(user, word).ok for user, word in WORDS.items()] == [True] * 3
        listed = tmp_path / "listed.json"
        one.at("plan", "--prefix", "--passdb", "1", "--users-out", str(listed))
        assert {row["user"] for row in json.loads(listed.read_text())} == set(WORDS)
        done = json.loads(one.at("move", "--passdb", "1", "--to-passdb", "2", "--apply", "--json"))
        assert done["report"]["written"] == len(WORDS)
        for path in (lab.folder / "domains").glob("*/passwd"):
            path.unlink()
        assert [lab.login(user, word).ok for user, word in WORDS.items()] == [True] * 3
        one.at("undo", done["id"], "--passdb", "2", "--apply")
        assert [lab.login(user, word).ok for user, word in WORDS.items()] == [False] * 3


@pytest.mark.parametrize("keeps", [True, False])
def test_lines_by_which_nobody_logs_in_are_left(tmp_path: Path, keeps: bool) -> None:
    """``keeps``: Dovecot looks for the name with its domain in the file of that domain."""
    main = _2_3 if not keeps else _2_3.replace("username_format=%n ", "")
    stored = generate("SSHA512", Password(b"one for all"))
    names = {"a.example": ("bob", "ann@a.example", "eve@b.example"), "b.example": ("dan",)}
    files = {"dovecot.conf": main, "sql.ext": _SQL}
    for domain, some in names.items():
        files[f"domains/{domain}/passwd"] = "".join(f"{name}:{stored}\n" for name in some)
    users = (
        "bob",
        "dan",
        "bob@a.example",
        "ann@a.example",
        "eve@b.example",
        "eve@a.example",
        "dan@b.example",
    )
    with Rig("2.3.19.1", "sqlite", files, [_TABLE]) as lab:
        subprocess.run(["chmod", "-R", "a+rX", str(lab.folder / "domains")], check=True)
        one = Store(lab, tmp_path / "state")
        able = {user for user in users if lab.login(user, b"one for all").ok}
        assert able == ({"ann@a.example"} if keeps else {"bob@a.example", "dan@b.example"})
        words = ("move", "--passdb", "1", "--to-passdb", "2", "--apply", "--json")
        done = json.loads(one.at(*words, status=1))
        assert (done["report"]["written"], done["report"]["failed"]) == (len(able), 4 - len(able))
        assert all(why.startswith("nobody logs in by it") for why in done["report"]["reasons"])
        with closing(sqlite3.connect(lab.filled("@FILE@"))) as link:
            assert {name for (name,) in link.execute("SELECT name FROM mailbox")} == able


@pytest.mark.parametrize(
    ("template", "path", "domain"),
    [
        ("/e/%d/passwd", "/e/a.example/passwd", "a.example"),
        ("/e/%Ld/%n/passwd-%d", "/e/a.example/x/passwd-a.example", "a.example"),
        ("/e/%{user | domain | lower}/%{user | username}", "/e/a.example/bob", "a.example"),
        ("/e/%{domain}.pw", "/e/b.example.pw", "b.example"),
        ("/e/%n/passwd", "/e/bob/passwd", ""),
        ("/e/%u/passwd", "/e/bob@a.example/passwd", ""),
        ("/e/passwd", "/e/passwd", ""),
    ],
)
def test_which_domain_a_file_is_of(template: str, path: str, domain: str) -> None:
    assert domain_of(template, path) == domain


@pytest.mark.parametrize(("version", "store"), [("2.3.19.1", "sqlite"), ("2.4.1", "pgsql")])
def test_a_hash_of_the_users_name_is_not_moved_to_another_name(
    migrated: Make, tmp_path: Path, version: str, store: str
) -> None:
    one = migrated(version, store, {})
    word = Password(b"secret of ann")
    strings = {name: generate(name, word, user="ann") for name in ("DIGEST-MD5", "CRAM-MD5", "SSHA512")}
    path = tmp_path / "users"

    def of(name: str, *more: str, status: int) -> dict[str, object]:
        path.write_text(f"ann:{strings[name]}\n")
        return moved(one, ("--url", f"passwd-file:{path}", *more), "--apply", status=status)

    left = of("DIGEST-MD5", "--domain", "example.org", status=1)
    assert left["report"]["reasons"] == {NAMED_IN: 1}  # type: ignore[index]
    assert stored_of(one) == {}
    for name in ("CRAM-MD5", "SSHA512"):
        done = of(name, "--domain", "example.org", status=0)
        assert one.lab.login("ann@example.org", word.raw).ok
        undo(one, done["id"], "--apply")
    done = of("DIGEST-MD5", status=0)
    assert one.lab.login("ann", word.raw).ok
    undo(one, done["id"], "--apply")
    users = ("eve@Old.example", "bob@old.example", "Bob@example.org", "dan@third.example")
    path.write_text("".join(f"{user}:{strings['SSHA512']}\n" for user in users))
    words = ("--url", f"passwd-file:{path}", "--domain", "old.example=example.org")
    merged = moved(one, words, "--apply", status=1)
    assert merged["report"]["reasons"] == {TWICE: 2}  # type: ignore[index]
    assert [one.lab.login(name, word.raw).ok for name in ("eve@example.org", "bob@example.org")] == [
        True,
        False,
    ]
    assert one.lab.login("dan@third.example", word.raw).ok


def test_the_version_that_will_read_the_target_is_said_and_can_be_named(tmp_path: Path) -> None:
    """Dovecot 2.4 refuses MD5-CRYPT, and 2.3 takes it."""
    base, file = tmp_path / "users.sqlite", tmp_path / "passwd"
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (user TEXT PRIMARY KEY, password TEXT)")
    file.write_text(f"ann:{generate('MD5-CRYPT', Password(b'x'))}\n")
    to = ("--to", f"sqlite:{base}", "--to-rows-query", "SELECT user, password FROM users")
    move = ("migrate", "move", "--url", f"passwd-file:{file}", *to)
    for words, judge, refused, named in (
        ((), "2.4.5", True, False),
        (("--dovecot", "2.3.19.1"), "2.3.19.1", False, False),
        (("--dovecot", "2.3.19.1", "--to-dovecot", "2.4.1"), "2.4.1", True, True),
    ):
        told = mailauth(*move, *words, MAILAUTH_STATE=str(tmp_path / "state"))
        line = next(one for one in told.stdout.splitlines() if one.startswith("to "))
        assert f"as Dovecot {judge} reads them" in line
        assert ("--to-dovecot names another" in line) is not named
        assert ("let nobody in there" in told.stdout) is refused
        assert "1 row would be added" in told.stdout


@pytest.mark.parametrize("store", ["mysql", "pgsql", "sqlite"])
def test_the_two_columns_of_a_rows_query_are_the_user_and_the_password(migrated: Make, store: str) -> None:
    """Whatever they are called; and a password that is no column is not taken for one."""
    query = "SELECT email AS user, pw AS password FROM people WHERE email = '%u'"
    one = migrated("2.3.19.1", store, {}, query=query, sql_extra="default_pass_scheme = CRYPT")
    word = b"secret"
    string = generate("SHA512-CRYPT", Password(word), rounds=1000).partition("}")[2]
    one.lab.store.execute(  # type: ignore[attr-defined]
        "CREATE TABLE people (email VARCHAR(99) PRIMARY KEY, pw VARCHAR(255), active INT)",
        f"INSERT INTO people VALUES ('ann', '{string}', 1), ('bob', '{string}', 0)",
    )
    rows = ("--rows-query", "SELECT email, pw FROM people WHERE active = 1")
    done = json.loads(one.at("apply", "--prefix", *rows, "--apply", "--json"))
    assert done["report"]["written"] == 2
    with one.lab.store._cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT pw FROM people")
        assert {row[0] for row in cursor.fetchall()} == {"{SHA512-CRYPT}" + string}
    assert one.lab.login("ann", word).ok
    one.at("undo", done["id"], *rows, "--apply")
    assert one.lab.login("ann", word).ok
    for asked, says in (
        ("email, NULL AS password FROM people", "does not read one column of one table as it is"),
        ("email, active, pw FROM people", "has no column AS password"),
        ("email, pw AS password FROM people, domains", "does not say which of them has pw"),
    ):
        rows = ("--rows-query", f"SELECT {asked}")
        assert says in one.run("plan", "--prefix", *one.pid, *rows, status=1, told=True)


def test_values_of_sqlite_that_are_no_text_are_said_before(migrated: Make) -> None:
    one = migrated("2.3.19.1", "sqlite", {"ann": "{PLAIN}x"}, sql_extra="default_pass_scheme = PLAIN")
    one.lab.store.execute("INSERT INTO users VALUES ('bob', X'736563726574')")  # type: ignore[attr-defined]
    assert one.lab.login("bob", b"secret").ok
    plan = json.loads(one.at("plan", "--rehash", "SSHA512", "--json", status=1))
    assert any("no TEXT (1 BLOB)" in found["says"] for found in plan["obstacles"])
    done = json.loads(one.at("apply", "--rehash", "SSHA512", "--apply", "--json"))
    assert one.lab.login("bob", b"secret").ok
    one.at("undo", done["id"], "--apply")
    assert one.lab.store.users() == {"ann": "{PLAIN}x", "bob": "secret"}
