"""An undo: which store it is of, which rows it would put back, and a journal that somebody damaged."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.lab.stores import SqlStore
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Make, Store, bare_bcrypt, migrated

__all__ = ["migrated"]
COUNT = 6
BCRYPT = "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123."
MD5 = {"sql_extra": "default_pass_scheme = MD5"}
UNKEPT = ("--no-undo-for-plaintexts",)
ROWS = ("--rows-query", "SELECT userid, password FROM users")


def stored_of(one: Store) -> dict[str, str | None]:
    """What is there now."""
    path = one.lab.store.place.path
    if one.lab.driver != "passwd-file":
        return one.lab.store.users()
    assert path
    lines = (line.split(":", 2) for line in Path(path).read_text("utf-8").splitlines())
    return {line[0]: line[1] for line in lines}


def prefixed(make: Make, store: str, *words: str) -> tuple[Store, str, dict[str, str | None]]:
    """A store, the journal's name, and what was stored before."""
    one = make("2.3.19.1", store, bare_bcrypt(COUNT), **(MD5 if store != "passwd-file" else {}))
    before = stored_of(one)
    name = json.loads(one.at("apply", "--prefix", "--apply", "--json", *words))["id"]
    return one, str(name), dict(before)


def urls(one: Store, tmp_path: Path) -> tuple[str, ...]:
    """The same store by a URL."""
    place = one.lab.store.place
    if one.lab.driver == "passwd-file":
        return ("--url", f"passwd-file:{place.path}")
    if one.lab.driver == "sqlite":
        link = tmp_path / "another name"
        link.symlink_to(str(place.path))
        return ("--url", f"sqlite:{link}", *ROWS)
    name = {"mysql": "mysql", "pgsql": "postgresql"}[one.lab.driver]
    file = tmp_path / "url"
    file.write_text(f"{name}://{place.user}:{place.password}@{place.host}:{place.port}/{place.database}")
    return ("--url-fd", "0", *ROWS)


@pytest.mark.parametrize("store", ["passwd-file", "sqlite", "mysql", "pgsql"])
def test_a_store_is_known_by_what_it_is(migrated: Make, store: str, tmp_path: Path) -> None:
    """Not by its label: another spelling is the same store, and the same words may be another."""
    one, name, before = prefixed(migrated, store)
    words = urls(one, tmp_path)
    feed = (tmp_path / "url").read_text() if "--url-fd" in words else ""
    assert stored_of(one) != before
    if one.lab.build.root:  # what was opened in there may be another store of that name
        said = one.run("undo", name, *words, "--apply", feed=feed, status=2, told=True)
        found = re.search(r"add --store '(.+)'", said)
        assert found, said
        words = (*words, "--store", found[1])
    one.run("undo", name, *words, "--apply", feed=feed)
    assert stored_of(one) == before


def test_a_urls_password_is_shown_and_kept_nowhere(migrated: Make, tmp_path: Path) -> None:
    one = migrated("2.3.19.1", "mysql", bare_bcrypt(COUNT), **MD5)
    words = (*urls(one, tmp_path), "--default-scheme", "MD5")
    feed, secret_one = (tmp_path / "url").read_text(), str(one.lab.store.place.password)
    assert secret_one in feed
    said = one.run("plan", "--prefix", *words, status=1, feed=feed, told=True)
    name = json.loads(one.run("apply", "--prefix", *words, "--apply", "--json", feed=feed))["id"]
    for more in ((), ("--apply",)):
        said += one.run("undo", name, *words, *more, feed=feed, told=True)
    said += one.run("status") + one.run("status", "--json")
    assert secret_one not in said
    assert not [
        file for file in one.state.rglob("*") if file.is_file() and secret_one.encode() in file.read_bytes()
    ]


def test_another_store_is_refused_until_it_is_said_to_be_the_same(migrated: Make, tmp_path: Path) -> None:
    one, name, before = prefixed(migrated, "sqlite")
    copy = tmp_path / "copy"
    shutil.copy(str(one.lab.store.place.path), copy)
    words = ("undo", name, "--url", f"sqlite:{copy}", *ROWS, "--apply")
    said = one.run(*words, status=2, told=True)
    now = f"sqlite {copy} users.password"
    assert f"--store '{now}'" in said
    one.run(*words, "--store", f"sqlite {copy}x users.password", status=2)
    after = json.loads(one.run(*words, "--store", now, "--json"))
    assert after["report"]["written"] == COUNT
    assert dict(one.lab.store.users()) != before


def test_a_store_whose_rows_are_others_is_refused_until_it_is_said_to_be_the_same(migrated: Make) -> None:
    """A file of that name, or a table that was filled anew."""
    one, name, before = prefixed(migrated, "sqlite")
    one.lab.set_users({f"other{n}": stored for n, stored in enumerate(before.values())})
    said = one.run("undo", name, *one.pid, "--apply", status=2, told=True)
    assert "neither the first nor the last row" in said
    found = re.search(r"add --store '(.+)'", said)
    assert found
    report = json.loads(one.at("undo", name, "--store", found[1], "--json", status=1))["report"]
    assert (report["written"], report["changed"]) == (0, COUNT)


def test_two_mariadbs_of_one_machine_and_folder_are_two(migrated: Make) -> None:
    """As containers are: the server's own number tells them apart."""
    one, name, _ = prefixed(migrated, "mysql")
    head = json.loads((one.state / "migrate" / name / "head.json").read_bytes())
    assert isinstance(one.lab.store, SqlStore)
    with one.lab.store._cursor() as cursor:
        cursor.execute("SELECT @@hostname, @@datadir, @@server_uid")
        [row] = cursor.fetchall()
    assert all(str(value) in head["identity"] for value in row)


def test_what_would_be_put_back_is_counted_by_rows(migrated: Make) -> None:
    one, name, _ = prefixed(migrated, "sqlite")
    one.lab.set_password("u1", "{PLAIN}other")
    assert isinstance(one.lab.store, SqlStore)
    one.lab.store.execute("DELETE FROM users WHERE userid = 'u2'")
    said = one.at("undo", name, status=1)
    assert f"{COUNT - 2} rows of passdb 1 (sql) would get" in said or f"{COUNT - 2} rows of" in said
    assert "2 rows with another string than was written, or gone" in said
    assert "changed meanwhile: u1" in said
    report = json.loads(one.at("undo", name, "--apply", "--json", status=1))["report"]
    assert (report["written"], report["changed"]) == (COUNT - 2, 2)


def test_a_plaintext_that_was_never_made_a_hash_did_not_change(migrated: Make) -> None:
    one = migrated("2.3.19.1", "sqlite", {f"u{n}": "{PLAIN}" + secret(n).decode() for n in range(3)})
    words = ("--rehash", "ARGON2ID", "--profile", "owasp-7", *UNKEPT, "--apply", "--json")
    name = json.loads(one.at("apply", *words))["id"]
    one.lab.set_password("u1", "{PLAIN}" + secret(1).decode())  # as one that was locked has it still
    report = json.loads(one.at("undo", name, "--json", status=1))["report"]
    assert (report["already"], report["changed"], report["not_kept"]) == (1, 0, 2)


def test_a_damaged_batch_hides_no_other(migrated: Make) -> None:
    one, name, before = prefixed(migrated, "sqlite", "--batch", "2")
    rows = one.state / "migrate" / name / "rows"
    data = bytearray(rows.read_bytes())
    second = 4 + int.from_bytes(data[:4], "big")
    data[second + 4] = 0xC1  # never used in MessagePack
    rows.write_bytes(data)
    undone = json.loads(one.at("undo", name, "--apply", "--json", status=1))
    assert (undone["state"], undone["report"]["written"]) == ("partly undone", COUNT - 2)
    assert f"1 batches of the journal cannot be read (at byte {second + 4})" in undone["report"]["unreadable"]
    after = one.lab.store.users()
    assert sum(after[user] == before[user] for user in before) == COUNT - 2


def test_rows_are_told_apart_whatever_their_keys(migrated: Make, tmp_path: Path) -> None:
    """Python has one hash for -1 and -2."""
    one = migrated("2.3.19.1", "sqlite", {"u1": "x"})
    path = tmp_path / "odd"
    with closing(sqlite3.connect(path, isolation_level=None)) as link:
        link.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, userid TEXT, password TEXT)")
        link.executemany("INSERT INTO users VALUES (?, ?, ?)", [(-2, "u2", BCRYPT), (-1, "u1", BCRYPT)])
        words = ("--url", f"sqlite:{path}", *ROWS, "--default-scheme", "MD5")
        name = json.loads(one.run("apply", *words, "--prefix", "--batch", "1", "--apply", "--json"))["id"]
        link.execute("UPDATE users SET password = 'other' WHERE id = -1")
        for writes in ((), ("--apply",)):
            report = json.loads(one.run("undo", name, *words, *writes, "--json", status=1))["report"]
            assert (report["written"], report["changed"]) == (1, 1)
            assert report["rows"] == {"changed meanwhile": ["u1"]}
        assert link.execute("SELECT password FROM users ORDER BY id").fetchall() == [(BCRYPT,), ("other",)]


@pytest.mark.parametrize("attack", ["mode", "owner", "link"])
def test_rows_that_somebody_else_could_write_are_not_believed(
    migrated: Make, attack: str, tmp_path: Path
) -> None:
    one, name, before = prefixed(migrated, "sqlite")
    rows = one.state / "migrate" / name / "rows"
    if attack == "mode":
        rows.chmod(0o666)
    elif attack == "owner":
        shutil.chown(rows, 12345)
    else:
        rows.rename(tmp_path / "rows")
        rows.symlink_to(tmp_path / "rows")
    one.at("undo", name, "--apply", status=1)
    assert all(stored != before[user] for user, stored in one.lab.store.users().items())
