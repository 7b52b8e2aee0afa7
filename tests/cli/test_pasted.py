"""The lines that a finding prints for a database, pasted as printed: no argv has a secret."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.lab import Lab
from mailauth.lab.stores.sql import ServerStore, SqlStore
from tests.cli.running import ROOT, mailauth
from tests.proofs.story import SECRET, MiB, argon2id

GOOD = argon2id(memory=1 * MiB)
QUERY = "SELECT userid AS user, password FROM users WHERE userid = '%{user}' AND active = '1'"
_SECONDS = 60.0


def programs(folder: Path, store: SqlStore) -> Path:
    """What the lines call: mailauth of this tree, and the clients with the lab's account as administrator.

    Each notes its words.
    """
    own = f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >>{folder}/argv\n'
    texts = {
        "mailauth": f'cd {ROOT} && exec {sys.executable} -m mailauth "$@"\n',
        "sudo": '[ "$1" = -u ] && shift 2\nexec "$@"\n',
        "sqlite3": f'exec {sys.executable} -c "$TEXT" "$@"\n'.replace("$TEXT", _SQLITE),
    }
    if isinstance(store, ServerStore):
        place = store.place
        for name, option in (("mysql", "-u root -p"), ("psql", "-U postgres")):
            account = "-u lab" if name == "mysql" else "-U lab"
            texts[name] = (
                f"export MYSQL_PWD={place.password} PGPASSWORD={place.password}\n"
                f'set -- $(printf "%s " "$@" | sed "s/{option}/{account}/")\nexec {shutil.which(name)} "$@"\n'
            )
    for name, text in texts.items():
        (folder / name).write_text(own + text)
        (folder / name).chmod(0o755)
    return folder


_SQLITE = (
    "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.stdin.read()); db.close()"
)


def pasted(line: str, folder: Path, typed: bytes = b"") -> None:
    """Run it in a shell with a terminal; ``typed`` is given to each question."""
    ours, theirs = pty.openpty()
    words = ["setsid", "--ctty", "bash", "-c", line]
    path = {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=path) as one:
        os.close(theirs)
        seen, asked, until = b"", 0, time.monotonic() + _SECONDS
        while one.poll() is None:
            assert time.monotonic() < until, seen
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    seen += os.read(ours, 4096)
                except OSError:
                    continue
            if seen.count(b": ") > asked and typed:
                asked += 1
                os.write(ours, typed + b"\n")
    os.close(ours)
    assert one.returncode == 0, seen


def lines(text: str) -> list[str]:
    """What is to be pasted."""
    return re.findall(r"^ {11}((?:new=|printf).*)$", text, re.MULTILINE)


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_a_line_is_pasted_as_printed(
    lab: Callable[..., Lab], dovecot_version: str, kind: str, tmp_path: Path
) -> None:
    """Blanks are taken out; a hash that was cut is made anew of what is typed; NULL gets one."""
    users = {"alice": f" {GOOD}\n", "bob@example.org": GOOD[:50], "carol": None, "dora": GOOD}
    with lab(dovecot_version, kind, users) as one:
        assert isinstance(one.store, SqlStore)
        folder = programs(tmp_path, one.store)
        (folder / "argv").touch()
        for user, code in (("alice", "HASH007"), ("bob@example.org", "HASH005"), ("carol", "USER002")):
            told = mailauth("diagnose", user, "--pid", str(one.master_pid)).stdout
            assert code in told, told
            command = f"mailauth diagnose --pid {one.master_pid} --login -p {user}"
            untried = f"no login was tried. To try one:\n  {command}\n"
            assert (untried in told) == ("(likely)" in told)
            (line,) = lines(told)
            if one.build.root is not None:
                assert "|" not in line  # its files and network are elsewhere: the statement is shown
                continue
            assert "mailauth hash new" in line or code == "HASH007"
            pasted(line, folder, b"" if code == "HASH007" else SECRET)
            assert one.login(user, SECRET).ok, line
        assert one.store.users()["dora"] == GOOD
        argv = (folder / "argv").read_text()
        assert SECRET.decode() not in argv
        assert "$argon2" not in argv


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_a_disabled_user_is_enabled(
    lab: Callable[..., Lab], dovecot_version: str, kind: str, tmp_path: Path
) -> None:
    """USER007 sets what the query's own condition wants."""
    wish = QUERY if dovecot_version >= "2.4" else QUERY.replace("%{user}", "%u")
    with lab(dovecot_version, kind, {"alice": GOOD, "bob": GOOD}, query=wish) as one:
        assert isinstance(one.store, SqlStore)
        one.store.execute("ALTER TABLE users ADD COLUMN active VARCHAR(1) DEFAULT '1'")
        one.store.execute("UPDATE users SET active = '0'")
        told = mailauth("diagnose", "alice", "--pid", str(one.master_pid)).stdout
        assert "USER007" in told, told
        (line,) = lines(told)
        assert "UPDATE users SET active = '1' WHERE userid = 'alice'" in line
        if one.build.root is None:
            pasted(line, programs(tmp_path, one.store))
            assert one.login("alice", SECRET).ok
            assert not one.login("bob", SECRET).ok
