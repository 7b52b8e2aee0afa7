"""Users moved from store to store, with a login as the judge; nobody who is there is written over."""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from tests.cli.running import ROOT, mailauth
from tests.field.rig import Rig
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Make, Store, migrated
from tests.migrate.test_undo import ROWS, stored_of

__all__ = ["migrated"]
COUNT = 8
SAME = "{SSHA}" + "A" * 32
TARGETS = [("2.4.1", "sqlite"), ("2.3.19.1", "mysql"), ("2.4.1", "pgsql"), ("2.3.19.1", "passwd-file")]


def bare(number: int, scheme: str = "SHA512-CRYPT") -> str:
    password = Password(secret(number))
    made = generate(scheme, password) if scheme == "MD5-CRYPT" else generate(scheme, password, rounds=1000)
    return made.partition("}")[2]


def kinds(number: int, other: str = "SHA256-CRYPT") -> str:
    """Right below CRYPT alone, in two ways, and with a scheme."""
    if number % 3:
        return bare(number, "SHA512-CRYPT" if number % 3 == 1 else other)
    return generate("SSHA512", Password(secret(number)))


ODD = {
    "same": SAME,
    "other": bare(1),
    "Bob": bare(2),
    "locked": "!",
    "empty": "",
    "twin": bare(3),
    "TWIN": bare(4),
}
THERE: dict[str, str | None] = {"same": SAME, "other": "{PLAIN}theirs", "bob": "{PLAIN}bob"}
LEFT = {"other", "Bob", "empty", "twin", "TWIN", "kept", "gone"}


def source(folder: Path, other: str, *, file: bool) -> tuple[tuple[str, ...], Path]:
    """A passwd-file, or a table whose query lets not everybody in."""
    users = {f"u{n}": kinds(n, other) for n in range(COUNT)} | ODD
    if file:
        path = folder / "passwd"
        lines = [f"{user}:{stored}:1000:1000::/home/{user}::" for user, stored in users.items()]
        kept = f"kept:{bare(5)}::::::allow_nets=192.0.2.0/24"
        path.write_text("\n".join([*lines, kept, f"u0:{bare(7)}", "# a comment"]))
        return ("--url", f"passwd-file:{path}", "--default-scheme", "CRYPT"), path
    path = folder / "old.sqlite"
    with closing(sqlite3.connect(path)) as link:
        link.execute("CREATE TABLE mailbox (id INTEGER PRIMARY KEY, name TEXT, pw TEXT, active INT)")
        rows = [(user, stored, 1) for user, stored in users.items()]
        rows += [("gone", bare(6), 0), ("colon", "{PLAIN}a:b", 1)]
        link.executemany("INSERT INTO mailbox (name, pw, active) VALUES (?, ?, ?)", rows)
        link.commit()
    asked = "SELECT name AS user, pw AS password FROM mailbox WHERE active = 1"
    return ("--url", f"sqlite:{path}", "--rows-query", asked, "--default-scheme", "CRYPT"), path


def target(one: Store) -> tuple[tuple[str, ...], str]:
    """Its options, and what stands on the descriptor that they name."""
    place = one.lab.store.place
    if one.lab.driver == "passwd-file":
        return (), f"passwd-file:{place.path}"
    if one.lab.driver == "sqlite":
        return ROWS, f"sqlite:{place.path}"
    name = {"mysql": "mysql", "pgsql": "postgresql"}[one.lab.driver]
    return ROWS, f"{name}://{place.user}:{place.password}@{place.host}:{place.port}/{place.database}"


def moved(one: Store, words: tuple[str, ...], *more: str, status: int = 0) -> dict[str, object]:
    rows, url = target(one)
    to = ("--to-fd", "0", *(("--to-rows-query", rows[1]) if rows else ()))
    told = one.run("move", *words, *to, *more, "--json", status=status, feed=url)
    if one.lab.driver == "passwd-file":
        time.sleep(1.1)  # Dovecot looks at it once a second: src/auth/db-passwd-file.c
    found: dict[str, object] = json.loads(told)
    return found


def undo(one: Store, name: object, *more: str, status: int = 0) -> None:
    rows, url = target(one)
    one.run("undo", str(name), "--url-fd", "0", *rows, *more, status=status, feed=url)


@pytest.mark.parametrize(("version", "store"), TARGETS)
def test_everybody_gets_in_where_they_went_and_undo_leaves_what_was_there(
    migrated: Make, tmp_path: Path, version: str, store: str
) -> None:
    one = migrated(version, store, dict(THERE))
    weak = "MD5-CRYPT" if version < "2.4" else "SHA256-CRYPT"  # 2.4 refuses MD5-CRYPT
    words, path = source(tmp_path, weak, file=store != "passwd-file")
    content = path.read_bytes()
    planned = moved(one, words, status=1)
    rows = {(kind["what"], kind["why"]): kind["rows"] for kind in planned["kinds"]}  # type: ignore[attr-defined]
    added = COUNT + 1 + (store == "passwd-file")
    assert rows["add", ""] == added, rows
    assert rows["there", ""] == 1
    assert stored_of(one) == THERE
    assert any("let nobody in" in note and "locked" in note for note in planned["notes"])  # type: ignore[attr-defined]
    done = moved(one, words, "--apply", status=1)
    now = stored_of(one)
    assert len(now) == added + len(THERE)
    assert {user: now[user] for user in THERE} == THERE
    assert one.logins(COUNT) == [True] * COUNT
    assert not one.lab.login("locked", b"!").ok
    assert one.lab.login("bob", b"bob").ok
    if store == "passwd-file":
        assert one.lab.login("colon", b"a:b").ok
    assert not (set(now) - set(THERE)) & LEFT
    assert path.read_bytes() == content
    again = moved(one, words, "--apply", status=1)
    assert again["report"]["written"] == 0  # type: ignore[index]
    undo(one, done["id"])
    assert stored_of(one) == now
    if store != "passwd-file":
        one.lab.set_password("u1", "{PLAIN}mine")
        undo(one, done["id"], "--apply", status=1)
        assert stored_of(one) == THERE | {"u1": "{PLAIN}mine"}
        return
    undo(one, done["id"], "--apply")
    assert stored_of(one) == THERE


def test_names_in_two_columns_a_trigger_and_columns_that_need_a_value(migrated: Make, tmp_path: Path) -> None:
    """What the database does not keep as it was written is left, and the rest is added all the same."""
    one = migrated("2.3.19.1", "mysql", {})
    one.lab.store.execute(  # type: ignore[attr-defined]
        "CREATE TABLE mailbox (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) NOT NULL,"
        " domain VARCHAR(60) NOT NULL, pw VARCHAR(255) NOT NULL, maildir VARCHAR(200) NOT NULL)",
        "CREATE TRIGGER spoils BEFORE INSERT ON mailbox FOR EACH ROW"
        " SET NEW.pw = IF(NEW.name = 'u3', 'spoiled', NEW.pw)",
    )
    file = tmp_path / "passwd"
    others = ("nobody", "../../etc/x@example.org", "..@example.org", "x@..")
    file.write_text(
        "".join(f"u{n}@example.org:{kinds(n)}\n" for n in range(COUNT))
        + "".join(f"{name}:{bare(1)}\n" for name in others)
    )
    words = ("--url", f"passwd-file:{file}", "--default-scheme", "CRYPT")
    query = ("--to-rows-query", "SELECT name AS username, domain, pw AS password FROM mailbox")
    to = (*words, "--to-fd", "0", *query, "--apply", "--json")
    url = target(one)[1]
    refused = json.loads(one.run("move", *to, status=1, feed=url))
    assert refused["report"]["written"] == 0  # maildir needs a value
    done = json.loads(one.run("move", *to, "--fill", "maildir=%d/%n/", status=1, feed=url))
    assert done["report"]["written"] == COUNT - 1
    assert done["left"] == 1 + len(others)
    with one.lab.store._cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT name, domain, maildir FROM mailbox ORDER BY name")
        found = cursor.fetchall()
    assert list(found) == [(f"u{n}", "example.org", f"example.org/u{n}/") for n in range(COUNT) if n != 3]
    undone = one.run(
        "undo", done["id"], "--url-fd", "0", "--rows-query", query[1], "--apply", "--json", feed=url
    )
    assert json.loads(undone)["report"]["written"] == COUNT - 1


def test_killed_among_the_batches_it_is_run_again_and_all_can_be_taken_back(
    migrated: Make, tmp_path: Path
) -> None:
    one = migrated("2.4.1", "sqlite", dict(THERE))
    many = 3000
    file = tmp_path / "passwd"
    file.write_text("".join(f"x{n}:{{PLAIN}}{secret(n).decode()}\n" for n in range(many)))
    words = ("--url", f"passwd-file:{file}", "--to", target(one)[1], "--to-rows-query", ROWS[1], "--apply")
    process = subprocess.Popen(
        [sys.executable, "-m", "mailauth", "migrate", "move", *words, "--rate", "1500"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"MAILAUTH_STATE": str(one.state)},
        cwd=ROOT,
    )
    while process.poll() is None and len(one.lab.store.users()) <= len(THERE):
        time.sleep(0.01)
    process.kill()
    process.wait(60)
    there = len(one.lab.store.users())
    assert len(THERE) < there < many
    one.run("move", *words)
    assert len(one.lab.store.users()) == many + len(THERE)
    assert one.lab.login("x2999", secret(2999)).ok
    for head in reversed(json.loads(one.run("status", "--json"))):
        undo(one, head["id"], "--apply")
    assert one.lab.store.users() == THERE


def printed(text: str, before: str = "") -> list[str]:
    """The words behind ``mailauth`` of the command that a line has."""
    line = next(one for one in text.splitlines() if one.startswith(f"  {before}mailauth "))
    return shlex.split(line.removeprefix(f"  {before}"))[1:]


def test_an_undo_that_has_taken_every_row_away_can_be_run_again(tmp_path: Path) -> None:
    """Neither the first nor the last row is there any more; before the undo, that is another store."""
    state = {"MAILAUTH_STATE": str(tmp_path / "state")}
    base, file = tmp_path / "users.sqlite", tmp_path / "passwd"
    file.write_text("".join(f"u{n}:{{PLAIN}}x{n}\n" for n in range(9)))
    rows = ("--to", f"sqlite:{base}", "--to-rows-query", "SELECT user, password FROM users")
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (user TEXT PRIMARY KEY, password TEXT)")
    done = mailauth("migrate", "move", "--url", f"passwd-file:{file}", *rows, "--apply", **state)
    back = printed(done.stdout, "take it back: ")
    with closing(sqlite3.connect(base)) as link:
        link.execute("DELETE FROM users")
        link.commit()
    other = mailauth(*back, **state)
    assert (other.returncode, "neither the first nor the last row" in other.stderr) == (2, True)
    [head] = tmp_path.glob("state/migrate/*/head.json")
    head.write_text(head.read_text().replace('"applied"', '"undoing"'))
    for _ in ("after its last row", "once more"):
        undone = mailauth(*back, **state)
        assert (undone.returncode, undone.stderr) == (0, "")
        assert '"undone"' in head.read_text()


def test_each_printed_command_is_one_that_runs(tmp_path: Path) -> None:
    """Of the plan, of a move that was done, of one that was interrupted, and of apply on a URL."""
    state = {"MAILAUTH_STATE": str(tmp_path / "state")}
    base, file, many = tmp_path / "users.sqlite", tmp_path / "passwd", 600
    file.write_text("".join(f"u{n}:{{PLAIN}}x{n}\n" for n in range(many)))
    rows = ("--to", f"sqlite:{base}", "--to-rows-query", "SELECT user, password FROM users")
    move = ("migrate", "move", "--url", f"passwd-file:{file}", *rows)
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (user TEXT PRIMARY KEY, password TEXT, home TEXT)")

        def count() -> int:
            return int(link.execute("SELECT COUNT(*) FROM users").fetchone()[0])

        for column in ("nosuch", "user", "Password"):
            refused = mailauth(*move, "--fill", f"{column}=1", **state)
            assert refused.returncode != 0
            assert f"--fill {column}: " in refused.stderr
            assert "mailauth migrate move" not in refused.stdout
        done = mailauth(*printed(mailauth(*move, "--fill", "home=/home/%u", **state).stdout), **state)
        assert (done.returncode, count()) == (0, many), done.stdout + done.stderr
        undone = mailauth(*printed(done.stdout, "take it back: "), **state)
        assert (undone.returncode, count()) == (0, 0), undone.stdout + undone.stderr

        process = subprocess.Popen(
            [sys.executable, "-m", "mailauth", *move, "--apply", "--rate", "50"],
            stdout=subprocess.PIPE, text=True, env=os.environ | state, cwd=ROOT,
        )  # fmt: skip
        while process.poll() is None and not count():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        stopped = process.communicate(timeout=120)[0]
        assert (process.returncode, count()) == (130, 500), stopped
        ended = mailauth(*printed(stopped, "go on: "), **state)
        assert (ended.returncode, count()) == (0, many), ended.stdout + ended.stderr

        link.execute("UPDATE users SET password = ?", (bare(1),))
        link.commit()
        before = link.execute("SELECT * FROM users").fetchall()
        at = ("--url", f"sqlite:{base}", "--rows-query", rows[3], "--default-scheme", "CRYPT")
        applied = mailauth("migrate", "apply", "--prefix", *at, "--apply", **state)
        assert link.execute("SELECT * FROM users").fetchall() != before, applied.stdout
        back = mailauth(*printed(applied.stdout, "take it back: "), **state)
        assert back.returncode == 0, back.stdout + back.stderr
        assert link.execute("SELECT * FROM users").fetchall() == before


BOTH = """dovecot_config_version = @VERSION@
dovecot_storage_version = @VERSION@
protocols = imap
ssl = no
passdb_default_password_scheme = SHA512-CRYPT
passdb sql {
  sql_driver = sqlite
  sqlite_path = @FILE@
  query = SELECT name AS user, pw AS password FROM mailbox WHERE name = '%{user}' AND active = 1
}
passdb passwd-file {
  passwd_file_path = @DIR@/users
}
"""


def test_two_passdbs_of_a_dovecot_in_another_root_are_merged_and_one_gets_another_default(
    tmp_path: Path,
) -> None:
    """A scheme for all of them at the top: the other passdb's stays, and who is not active is not let in."""
    file = "".join(f"f{n}:{bare(n)}\n" for n in range(3))
    rows = ", ".join(f"('u{n}', '{bare(n)}', {int(n != 2)})" for n in range(3))
    schema = (
        "CREATE TABLE mailbox (name TEXT PRIMARY KEY, pw TEXT, active INT)",
        f"INSERT INTO mailbox VALUES {rows}",
    )
    with Rig("2.4.1", "sqlite", {"dovecot.conf": BOTH, "users": file}, schema) as lab:
        one, path = Store(lab, tmp_path / "state"), lab.folder / "users"

        def let_in(letter: str) -> list[bool]:
            return [lab.login(f"{letter}{n}", secret(n)).ok for n in range(3)]

        assert (let_in("u"), let_in("f")) == ([True, True, False], [True] * 3)
        words = ("default-scheme", "SSHA512", "--passdb", "1", "--apply", "--json")
        changed = json.loads(one.at(*words))
        assert (let_in("u"), let_in("f")) == ([True, True, False], [True] * 3)
        at = ("--passdb", "2", "--to-passdb", "1", "--fill", "active=1", "--apply", "--json")
        merged = json.loads(one.at("move", *at))
        path.write_text("")
        time.sleep(1.1)  # Dovecot looks at a passwd-file once a second: src/auth/db-passwd-file.c
        assert let_in("f") == [True] * 3
        back = one.at("move", "--passdb", "1", "--to-passdb", "2", "--apply")
        assert {line.partition(":")[0] for line in path.read_text().splitlines()} == {
            *("u0", "u1", "f0", "f1", "f2")
        }
        one.run(*printed(back, "take it back: ")[1:])
        assert path.read_text() == ""
        one.at("undo", merged["id"], "--passdb", "1", "--apply")
        one.at("undo", changed["id"], "--passdb", "1", "--apply")
        assert (let_in("u"), let_in("f")) == ([True, True, False], [False] * 3)
