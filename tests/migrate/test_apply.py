"""plan, apply, undo on real stores that a real Dovecot reads."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.cli.running import ROOT
from tests.migrate.conftest import old_users, secret

USERS = 40


class Store:
    """A lab, and mailauth migrate on it."""

    def __init__(self, lab: Lab, state: Path) -> None:
        self.lab, self.state = lab, state

    def run(self, *words: str, status: int = 0, feed: str = "", told: bool = False) -> str:
        """``told``: with what it says on standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "mailauth", "migrate", *words],
            capture_output=True,
            input=feed,
            text=True,
            check=False,
            env=os.environ | {"MAILAUTH_STATE": str(self.state)},
            cwd=ROOT,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + (done.stderr if told else "")

    def at(self, name: str, *words: str, status: int = 0) -> str:
        said = self.run(name, "--pid", str(self.lab.master_pid), *words, status=status)
        if self.lab.driver == "passwd-file":
            time.sleep(1.1)  # Dovecot looks at it once a second: src/auth/db-passwd-file.c
        return said

    @property
    def pid(self) -> tuple[str, str]:
        return ("--pid", str(self.lab.master_pid))

    def logins(self, count: int = USERS) -> list[bool]:
        return [self.lab.login(f"u{number}", secret(number)).ok for number in range(count)]


Make = Callable[..., Store]


@pytest.fixture
def migrated(lab: Callable[..., Lab], tmp_path: Path) -> Iterator[Make]:
    def make(version: str, store: str, users: dict[str, str | None], **more: object) -> Store:
        one = lab(version, store, users, **more)
        made.append(one)
        one.__enter__()
        return Store(one, tmp_path / "state")

    made: list[Lab] = []
    yield make
    for one in made:
        one.__exit__(None, None, None)


def bare_bcrypt(count: int) -> dict[str, str | None]:
    """As other software stores it: without a prefix."""
    return {
        f"u{n}": generate("BLF-CRYPT", Password(secret(n)), cost=4).removeprefix("{BLF-CRYPT}")
        for n in range(count)
    }


def test_bare_hashes_get_their_prefix_and_lose_it_again(
    migrated: Make, dovecot_version: str, store: str
) -> None:
    scheme = {"passwd-file": "", "sql": "default_pass_scheme = MD5"}
    extra = {"sql_extra": scheme["sql"]} if dovecot_version < "2.4" and store != "passwd-file" else {}
    one = migrated(dovecot_version, store, bare_bcrypt(USERS), **extra)
    before = one.logins(3)
    planned = json.loads(one.at("plan", "--prefix", "--json", status=1))
    assert [(line["action"], line["rows"]) for line in planned["lines"]] == [("prefix", USERS)]
    one.at("apply", "--prefix", status=1)  # without --apply: a plan
    assert one.logins(3) == before
    done = json.loads(one.at("apply", "--prefix", "--apply", "--json"))
    assert done["report"]["written"] == USERS
    assert one.logins() == [True] * USERS
    again = json.loads(one.at("apply", "--prefix", "--apply", "--json"))
    assert again["report"]["written"] == 0
    undone = json.loads(one.at("undo", done["id"], "--apply", "--json"))
    assert undone["report"]["written"] == USERS
    assert one.logins(3) == before


def test_plaintexts_become_hashes_and_come_back_only_with_the_key(
    migrated: Make, dovecot_version: str, store: str, tmp_path: Path
) -> None:
    users = {f"u{n}": "{PLAIN}" + secret(n).decode() for n in range(USERS)}
    one = migrated(dovecot_version, store, users)
    key = one.run("keygen", str(tmp_path / "key")).strip()
    words = ("--rehash", "ARGON2ID", "--profile", "owasp-7", "--apply", "--json")
    done = json.loads(one.at("apply", *words, "--seal-to", key))
    assert done["report"]["written"] == USERS
    assert one.logins() == [True] * USERS
    journal = b"".join(path.read_bytes() for path in one.state.rglob("*") if path.is_file())
    assert b"canary-" not in journal
    one.at("undo", done["id"], "--apply", status=2)
    undone = json.loads(one.at("undo", done["id"], "--key", str(tmp_path / "key"), "--apply", "--json"))
    assert undone["report"]["written"] == USERS
    assert one.logins() == [True] * USERS
    planned = json.loads(one.at("plan", "--rehash", "ARGON2ID", "--json", status=1))
    assert planned["lines"][0]["rows"] == USERS


def test_what_changed_meanwhile_is_left_alone_and_named(migrated: Make, store: str) -> None:
    one = migrated("2.3.19.1", store, bare_bcrypt(USERS))
    done = json.loads(one.at("apply", "--prefix", "--apply", "--json"))
    one.lab.set_password("u7", "{PLAIN}new")
    undone = json.loads(one.at("undo", done["id"], "--apply", "--json", status=1))
    assert undone["report"]["changed"] == 1
    assert undone["report"]["rows"] == {"changed meanwhile": ["u7"]}
    assert one.lab.login("u7", b"new").ok


def test_sound_hashes_of_many_schemes_are_left_as_they_are(migrated: Make, store: str) -> None:
    one = migrated("2.3.19.1", store, old_users(USERS))
    every = ("--trim", "--prefix", "--relabel", "--convert", "--mend")
    assert json.loads(one.at("plan", *every, "--json"))["rows"] == USERS
    one.at("apply", *every, "--apply")
    assert one.logins() == [True] * USERS
