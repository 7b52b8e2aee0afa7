"""The default scheme changed as one migration: strings first, then the setting, then proof by logins."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.hashes import Password, generate
from tests.cli.running import ROOT
from tests.field.rig import Rig
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Make, Store, migrated
from tests.migrate.test_undo import stored_of

__all__ = ["migrated"]
COUNT = 6
WAYS = [
    ("2.3.19.1", "mysql", "default_pass_scheme = {}"),
    ("2.3.19.1", "passwd-file", ""),
    ("2.4.1", "pgsql", "default_password_scheme = {}"),
    ("2.4.1", "sqlite", ""),
]


def bare(scheme: str) -> dict[str, str | None]:
    return {
        f"u{n}": generate(scheme, Password(secret(n)), rounds=1000).partition("}")[2] for n in range(COUNT)
    }


def default_of(one: Store) -> str:
    return read_config(at_pid(one.lab.master_pid, None)).passdbs[0].default_scheme


def known(folder: Path) -> Path:
    path = folder / "known.csv"
    path.write_text("".join(f"u{n},{secret(n).decode()}\n" for n in range(3)))
    path.chmod(0o600)
    return path


def files_of(one: Store) -> dict[Path, bytes]:
    folder = Path(one.lab.folder)
    return {path: path.read_bytes() for path in folder.glob("*.conf*") if path.is_file()}


@pytest.mark.parametrize(("version", "store", "setting"), WAYS)
def test_the_setting_follows_the_strings_and_undo_gives_both_back(
    migrated: Make, tmp_path: Path, version: str, store: str, setting: str
) -> None:
    """With a setting that is there and with none, and whichever way each dialect writes it."""
    old = "CRYPT" if store == "passwd-file" else "SHA512-CRYPT"
    extra = {"sql_extra": setting.format(old)} if setting else {}
    users = bare("SHA512-CRYPT")
    if not setting and store == "sqlite":  # 2.4.1's own default is PLAIN
        old, users = "PLAIN", {f"u{n}": secret(n).decode() for n in range(COUNT)}
    one = migrated(version, store, users, **extra)
    before, words = files_of(one), ("default-scheme", "SSHA512")
    assert one.logins(COUNT) == [True] * COUNT
    more = ("--prefix-undecided",) if old == "PLAIN" else ()
    told = one.at(*words, *more, status=1)
    assert "SSHA512" in told
    assert files_of(one) == before
    done = json.loads(one.at(*words, *more, "--prove", str(known(tmp_path)), "--apply", "--json"))
    assert (done["setting"], done["report"]["written"], done["logins"]) == ("applied", COUNT, 3)
    assert default_of(one) == "SSHA512"
    assert one.logins(COUNT) == [True] * COUNT
    assert stored_of(one) == {user: f"{{{old}}}{stored}" for user, stored in users.items()}
    if store != "passwd-file":
        fresh = generate("SSHA512", Password(b"fresh")).partition("}")[2]
        one.lab.set_password("u5", fresh)  # as a panel that goes along writes it
        assert one.lab.login("u5", b"fresh").ok
        one.lab.set_password("u5", f"{{{old}}}{users['u5']}")
    one.at("undo", done["id"], "--apply")
    assert files_of(one) == before
    assert default_of(one) == old
    assert stored_of(one) == users
    assert one.logins(COUNT) == [True] * COUNT


def test_rows_that_may_be_several_things_are_in_the_way(migrated: Make, tmp_path: Path) -> None:
    """A hash below PLAIN lets in with itself; nobody knows which is meant, so nothing is changed."""
    users: dict[str, str | None] = {"u0": "d0763edaa9d9bd2a9516280e9044d885", "u1": "{PLAIN}x", "u2": "!"}
    one = migrated("2.3.19.1", "sqlite", users, sql_extra="default_pass_scheme = PLAIN")
    before = files_of(one)
    listed = tmp_path / "in_the_way.csv"
    one.at("default-scheme", "SHA512-CRYPT", "--apply", "--users-out", str(listed), status=1)
    assert [line.split(",")[:2] for line in listed.read_text().splitlines()[1:]] == [
        ["u0", "left"],
        ["u2", "left"],
    ]
    assert one.lab.store.users() == users
    assert files_of(one) == before
    one.at("default-scheme", "SHA512-CRYPT", "--prefix-undecided", "--apply")
    assert one.lab.login("u0", b"d0763edaa9d9bd2a9516280e9044d885").ok
    assert one.lab.login("u1", b"x").ok


def test_what_dovecot_does_not_have_is_refused_and_a_failing_reload_takes_the_setting_back(
    migrated: Make,
) -> None:
    users = bare("SHA512-CRYPT")
    one = migrated("2.3.19.1", "sqlite", users, sql_extra="default_pass_scheme = CRYPT")
    one.at("default-scheme", "SHA999", "--apply", status=2)
    one.at("default-scheme", "CRYPT", "--apply", status=2)
    run = Path(one.lab.folder) / "run" / "auth-client"
    assert run.exists()
    settings = Path(one.lab.settings_file)
    text = settings.read_text()
    settings.write_text(
        f"{text}\nauth_mechanisms = plain nonsense\n"
    )  # auth ends with it, and doveconf does not
    done = json.loads(one.at("default-scheme", "SSHA", "--apply", "--json", status=1))
    assert done["problem"]
    assert "default_pass_scheme = CRYPT" in (Path(one.lab.folder) / "dovecot-sql.conf.ext").read_text()
    settings.write_text(text)
    one.lab.reload()
    assert one.logins(COUNT) == [True] * COUNT
    one.at("undo", done["id"], "--apply")
    assert one.lab.store.users() == users


def test_killed_among_the_rows_everybody_gets_in_and_it_is_run_again(migrated: Make) -> None:
    users = bare("SHA512-CRYPT")
    one = migrated("2.3.19.1", "sqlite", users, sql_extra="default_pass_scheme = SHA512-CRYPT")
    before = files_of(one)
    words = ("default-scheme", "SSHA", *one.pid, "--batch", "1", "--rate", "10", "--apply")
    process = subprocess.Popen(
        [sys.executable, "-m", "mailauth", "migrate", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"MAILAUTH_STATE": str(one.state)},
        cwd=ROOT,
    )
    while (
        process.poll() is None and sum("{" in str(it) for it in one.lab.store.users().values()) < COUNT // 2
    ):
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert one.logins(COUNT) == [True] * COUNT
    one.at("default-scheme", "SSHA", "--apply")
    assert default_of(one) == "SSHA"
    assert one.logins(COUNT) == [True] * COUNT
    ids = [head["id"] for head in json.loads(one.run("status", "--json"))]
    for name in reversed(ids):
        one.at("undo", name, "--apply")
    assert one.lab.store.users() == users
    assert files_of(one) == before
    assert one.logins(COUNT) == [True] * COUNT


SHARED = {
    "dovecot.conf": "".join(f"passdb {{\n  driver = sql\n  args = @DIR@/{one}.ext\n}}\n" for one in "ab"),
    "common.ext": "default_pass_scheme = SHA512-CRYPT\n",
} | {
    f"{one}.ext": f"driver = sqlite\nconnect = @FILE@\n!include @DIR@/common.ext\npassword_query ="
    f" SELECT name AS user, pw AS password FROM {one} WHERE name = '%u'\n"
    for one in "ab"
}


def test_a_line_that_another_passdb_reads_too_is_left(tmp_path: Path) -> None:
    """Its users would be locked out."""
    schema = [f"CREATE TABLE {one} (name TEXT PRIMARY KEY, pw TEXT)" for one in "ab"]
    rows = [f"INSERT INTO {one} VALUES ('{one}0', '{bare('SHA512-CRYPT')['u0']}')" for one in "ab"]
    with Rig("2.3.19.1", "sqlite", SHARED, (*schema, *rows)) as lab:
        one = Store(lab, tmp_path / "state")
        one.at("default-scheme", "SSHA", "--passdb", "1", "--apply", status=1)
        assert all(lab.login(user, secret(0)).ok for user in ("a0", "b0"))
        assert (lab.folder / "common.ext").read_text() == SHARED["common.ext"]


def test_a_query_that_returns_password_noscheme_is_not_migrated(migrated: Make) -> None:
    """A scheme before the string would be a part of it: everybody was locked out."""
    query = "SELECT userid AS user, password AS password_noscheme FROM users WHERE userid = '%u'"
    users = bare("SHA512-CRYPT")
    one = migrated("2.3.19.1", "sqlite", users, query=query, sql_extra="default_pass_scheme = SHA512-CRYPT")
    assert one.logins(COUNT) == [True] * COUNT
    for words in (("apply", "--prefix"), ("default-scheme", "SSHA")):
        one.at(*words, "--apply", status=1)
    assert one.lab.store.users() == users
