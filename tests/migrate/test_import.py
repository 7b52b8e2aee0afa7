"""A list of users and known passwords, on real stores that a real Dovecot reads."""

import json
import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest

from mailauth.hashes import Password, Verdict, generate, verify
from mailauth.lab import Lab, MariaDB
from tests.cli.running import ROOT, mailauth
from tests.migrate.conftest import old_users, secret
from tests.migrate.test_apply import Make, migrated
from tests.migrate.test_bad_input import small
from tests.migrate.test_on_login import logging_everything, watched

__all__ = ["migrated", "small"]

COUNT = 16
CANARY = "canary-"
FAST = ("--profile", "owasp-7")
SCHEMA = ROOT / "mailauth" / "schemas" / "migrate-import.json"
LEFT = {
    "no_match": ["other"],
    "no_password": ["nothing"],
    "no_user": ["line 20"],
    "malformed": ["line 21"],
    "conflict": ["lines 22 and 23"],
    "not_taken": ["line 24"],
}


def listed(folder: Path, *lines: str, name: str = "list.csv") -> str:
    file = folder / name
    file.touch(0o600)
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8", "surrogateescape")
    return str(file)


def unasked(said: str) -> list[str]:
    """Its lines, but what is assumed or asked of a store without a configuration."""
    return [line for line in said.splitlines() if not re.search("^Assumed:|No configuration was read", line)]


def known(numbers: range) -> list[str]:
    return [f"u{number},{secret(number).decode()}" for number in numbers]


def stored(lab: Lab) -> dict[str, str | None]:
    """What the store holds now."""
    if lab.store.path is None or lab.driver == "sqlite":
        return lab.store.users()
    lines = (line.partition(":") for line in lab.store.path.read_text().splitlines())
    return {user: text for user, _, text in lines}


def connected(lab: Lab) -> "psycopg.Connection[tuple[object, ...]]":
    place = lab.store.place
    return psycopg.connect(
        host=place.host,
        port=int(place.port),
        user=place.user,
        password=place.password,
        dbname=place.database,
    )


def journals(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())


def test_who_is_listed_has_his_new_hash_and_who_is_not_keeps_the_old(
    migrated: Make, store: str, tmp_path: Path
) -> None:
    """Counted, named, done, done once more, taken back; Dovecot lets everyone in all the while."""
    version = "2.3.19.1" if store in ("passwd-file", "mysql") else "2.4.1"
    users = old_users(COUNT) | {
        "u0": generate("PLAIN-MD5", Password(secret(0))),  # refused by 2.4, until it is migrated
        "other": generate("SSHA512", Password(b"his own")),
        "nothing": None,
        "both": "{SSHA}x",
    }
    one = migrated(version, store, users)
    before = stored(one.lab)
    lines = [
        *(line.replace("u0", "U0") for line in known(range(COUNT))),
        f"U1,{secret(1).decode()}",
        f"nothing,{CANARY}",
        f"other,{CANARY}",
        f"nobody,{CANARY}",
        CANARY,
        f"both,{CANARY}1",
        f"both,{CANARY}2",
        f"a b,{CANARY}",
    ]
    file = listed(tmp_path, *lines)
    key = one.run("keygen", str(tmp_path / "key")).strip()
    want = {"migrated": COUNT, "repeated": 1, "conflict": 2} | dict.fromkeys(set(LEFT) - {"conflict"}, 1)

    at = ("--pid", str(one.lab.master_pid), "--json")
    planned = json.loads(one.run("import", file, *FAST, *at, status=1))
    assert planned["counts"] == want
    assert stored(one.lab) == before
    done = json.loads(one.at("import", file, *FAST, "--apply", "--seal-to", key, "--json", status=1))
    jsonschema.validate(done, json.loads(SCHEMA.read_text()))
    assert done["counts"] == want
    assert done["named"] == LEFT
    assert sum(done["counts"].values()) == done["lines"] == len(lines)
    assert one.logins(COUNT) == [True] * COUNT
    assert one.lab.login("other", b"his own").ok
    now = stored(one.lab)
    assert all((now[f"u{n}"] or "").startswith("{ARGON2ID}") for n in range(COUNT))

    again = json.loads(one.run("import", file, *FAST, "--apply", *at, status=1))
    assert again["counts"] == {"already" if name == "migrated" else name: n for name, n in want.items()}
    verified = json.loads(one.run("import", file, "--verify-only", *at, status=1))
    assert verified["counts"]["matches"] == COUNT
    undone = json.loads(one.run("undo", done["id"], "--key", str(tmp_path / "key"), "--apply", *at))
    assert undone["report"]["written"] == COUNT
    assert stored(one.lab) == before
    assert CANARY.encode() not in journals(one.state)


def test_set_writes_over_whatever_stands_there_and_undo_puts_it_back(tmp_path: Path) -> None:
    """Also a NULL; but for what no journal may keep: a plaintext, and what may be one."""
    base = tmp_path / "users.sqlite"
    hashed = generate("SSHA", Password(b"another"))
    rows = {"a": hashed, "b": "", "c": None, "d": "{PLAIN}old", "e": "{SSHA}broken", "f": "{PLAIN}f-pw"}
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
        link.executemany("INSERT INTO users VALUES (?, ?)", list(rows.items()))
        link.commit()
        file = listed(tmp_path, *(f"{user},{user}-pw" for user in rows), "g,g-pw")
        at = ("--url", f"sqlite://{base}", "--rows-query", "SELECT userid AS user, password FROM users")

        def run(*words: str, status: int) -> dict[str, Any]:
            done = mailauth("migrate", *words, *at, "--json", MAILAUTH_STATE=str(tmp_path / "state"))
            assert (done.returncode, unasked(done.stderr)) == (status, [])
            told: dict[str, Any] = json.loads(done.stdout)
            return told

        def now() -> dict[str, str | None]:
            return dict(link.execute("SELECT * FROM users"))

        left = {"no_password": 2, "no_match": 2, "broken": 1, "no_user": 1}
        first = run("import", file, *FAST, "--apply", status=1)
        assert first["counts"] == {"migrated": 1} | left
        before = now()
        assert {user: text for user, text in before.items() if user != "f"} == {
            user: text for user, text in rows.items() if user != "f"
        }
        done = run("import", file, *FAST, "--apply", "--set", "--no-undo-for-plaintexts", status=1)
        assert done["counts"] == {"set": 5, "already": 1, "no_user": 1}
        assert done["not_kept"] == 2
        for user, stored in now().items():
            assert verify(stored or "", Password.of(f"{user}-pw"), user=user).verdict is Verdict.MATCH
        undone = run("undo", done["id"], "--apply", status=1)
        assert undone["state"] == "partly undone"
        undone = undone["report"]
        assert (undone["written"], undone["not_kept"]) == (3, 2)
        assert {user: now()[user] for user in "abc"} == {"a": hashed, "b": "", "c": None}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-",), "the list is empty"),
        (("/nowhere",), "/nowhere: cannot be read (No such file or directory)"),
        (("/",), "/: cannot be read (Is a directory)"),
        (("-", "--verify-only", "--apply"), "leave out --apply and --set"),
        (("-", "--profile", "none"), "There is no profile 'none'"),
    ],
)
def test_wrong_usage_is_one_sentence(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "users").write_text("a:{PLAIN}x\n")
    at = ("--url", f"passwd-file:{tmp_path / 'users'}")
    done = mailauth("migrate", "import", *words, *at, feed="user,password\n\n")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert says in done.stderr


def test_nothing_that_stands_in_the_list_is_ever_shown(tmp_path: Path) -> None:
    """Columns that were swapped, quotes that never close, NULs, other charsets: lines are named by number."""
    (tmp_path / "users").write_text("a:{PLAIN}x\nb:{PLAIN}y\n")
    lines = [f"{CANARY}{n},a" for n in range(30)]
    lines += [
        f'b,"{CANARY}',
        f"b,{CANARY},x",
        f"b,{CANARY}\0",
        "b,",
        f",{CANARY}",
        f"{CANARY}\udcff,x",
        "b,y",
    ]
    file = listed(tmp_path, *lines)
    Path(file).chmod(0o644)
    words: tuple[str, ...] = ("migrate", "import", file, "--url", f"passwd-file:{tmp_path / 'users'}")
    refused = mailauth(*words)
    assert (refused.returncode, CANARY in refused.stdout + refused.stderr) == (2, False)
    assert "line 36 of the list is not UTF-8" in refused.stderr
    words = (*words, "--encoding", "bytes")
    for more in ((), ("--json",), ("--verify-only",)):
        done = mailauth(*words, *more)
        assert done.returncode == 1
        assert CANARY not in done.stdout + done.stderr
        assert "others may read it (mode 0644)" in done.stderr
        assert len(unasked(done.stderr)) == 1
    told = json.loads(mailauth(*words, "--json").stdout)
    assert told["counts"] == {"migrated": 1, "no_user": 30, "malformed": 6}
    assert told["named"]["malformed"] == [f"line {n}" for n in range(31, 37)]


def test_users_whose_name_is_no_key(migrated: Make, tmp_path: Path) -> None:
    """Rows are found by the user's name; of two rows with one name, neither is touched."""
    one = migrated("2.3.19.1", "pgsql", {})
    place = one.lab.store.place
    stored = [generate("SSHA", Password(secret(number))) for number in range(4)]
    rows = [("u0", "a.example"), ("u1", "a.example"), ("u2", "a.example"), ("u2", "a.example")]
    with closing(connected(one.lab)) as link:
        link.execute("CREATE TABLE box (id SERIAL PRIMARY KEY, username TEXT, domain TEXT, password TEXT)")
        for (user, domain), text in zip(rows, stored, strict=True):
            link.execute(
                "INSERT INTO box (username, domain, password) VALUES (%s, %s, %s)", (user, domain, text)
            )
        link.commit()
        file = listed(
            tmp_path, "password,note,user", *(f"{secret(n).decode()},x,u{n}@a.example" for n in range(3))
        )
        url = f"postgresql://{place.user}:{place.password}@{place.host}:{place.port}/{place.database}"
        words = ("--url-fd", "0", "--rows-query", "SELECT username, domain, password FROM box", "--apply")
        done = mailauth(
            *("migrate", "import", file, *words, *FAST, "--json"), feed=url, MAILAUTH_STATE=str(one.state)
        )
        assert done.returncode == 1, done.stdout + done.stderr
        assert json.loads(done.stdout)["counts"] == {"migrated": 2, "several": 1}
        now = [str(row[0]) for row in link.execute("SELECT password FROM box ORDER BY id")]
    assert [text.startswith("{ARGON2ID}") for text in now] == [True, True, False, False]


def test_no_password_is_in_the_database_s_log_nor_in_any_process(migrated: Make, tmp_path: Path) -> None:
    with MariaDB() as server:
        one = migrated("2.3.19.1", "mysql", old_users(COUNT), database=server)
        logging_everything(server)
        file = listed(tmp_path, *known(range(COUNT)))
        with watched() as seen:
            done = json.loads(one.at("import", file, *FAST, "--apply", "--json"))
        assert done["counts"] == {"migrated": COUNT}
        log = (server.folder / "data/general.log").read_bytes()
        assert log.count(b"UPDATE mailauth_swap u STRAIGHT_JOIN users")
        assert CANARY.encode() not in log
        assert seen == set()
    assert CANARY.encode() not in journals(one.state)


@pytest.mark.parametrize("command", ["import", "apply"])
def test_a_file_that_may_only_be_read(
    tmp_path: Path, small: Callable[[str, int], Path], command: str
) -> None:
    """An SQLite database on a file system that is mounted read-only: one line, and nothing is changed."""
    folder = small("data", 64)
    base = folder / "users.sqlite"
    with closing(sqlite3.connect(base)) as link:
        link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password TEXT)")
        link.execute("INSERT INTO users VALUES ('a', '{PLAIN}a-pw')")
        link.commit()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    what = [listed(tmp_path, "a,a-pw")] if command == "import" else ["--rehash", "ARGON2ID"]
    words = ("--rows-query", "SELECT userid AS user, password FROM users", "--apply", *FAST)
    done = mailauth(
        "migrate", command, *what, "--url", f"sqlite://{base}", *words, MAILAUTH_STATE=str(tmp_path / "state")
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (said,) = unasked(done.stderr)
    assert f"{base} or its folder cannot be written. Nothing was changed." in said


def test_what_goes_wrong_later_is_not_put_down_to_the_list(tmp_path: Path) -> None:
    """Also where not even the state folder may be looked at."""
    (tmp_path / "users").write_text("a:{PLAIN}a-pw\n")
    state = tmp_path / "state"
    state.write_text("a file, where a folder should be")
    done = mailauth(
        *("migrate", "import", listed(tmp_path, "a,a-pw"), "--url", f"passwd-file:{tmp_path / 'users'}"),
        *("--apply", *FAST),
        MAILAUTH_STATE=str(state),
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no key can be kept" in done.stderr
