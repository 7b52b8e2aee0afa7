"""A migration in another root: the same path is another store there, and the host's is never touched."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql
import pytest

from mailauth.hashes import Password, generate
from mailauth.lab.databases import USER as ACCOUNT
from mailauth.lab.databases import MariaDB, Server
from tests.cli.running import ROOT, mailauth
from tests.field.container import SECRET, USER, container

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a container here")
BARE = generate("BLF-CRYPT", Password.of(SECRET), cost=4).removeprefix("{BLF-CRYPT}")
OTHERS = 60
TABLE = "CREATE TABLE users (userid VARCHAR(190) PRIMARY KEY, password VARCHAR(255))"
QUERY = "SELECT password FROM users WHERE userid = '%{user}'"
NAMES = [USER, *(f"u{number}" for number in range(OTHERS))]

Read = Callable[[], dict[str, str]]


@contextmanager
def sqlite(folder: Path, inner: Path) -> Iterator[tuple[str, Read, Read]]:
    def made(file: Path) -> Read:
        with closing(sqlite3.connect(file)) as link:
            link.execute(TABLE)
            link.executemany("INSERT INTO users VALUES (?, ?)", [(name, BARE) for name in NAMES])
            link.commit()
        file.chmod(0o666)

        def read() -> dict[str, str]:
            with closing(sqlite3.connect(file)) as link:
                return dict(link.execute("SELECT userid, password FROM users"))

        return read

    file = folder / "users.sqlite"
    passdb = f"sql_driver = sqlite\nsqlite_path = {file}\npassdb sql {{\n  query = {QUERY}\n}}\n"
    yield passdb, made(file), made(inner / "users.sqlite")


@contextmanager
def passwd_file(folder: Path, inner: Path) -> Iterator[tuple[str, Read, Read]]:
    def made(file: Path) -> Read:
        file.write_text("".join(f"{name}:{BARE}\n" for name in NAMES))
        file.chmod(0o644)
        return lambda: dict(line.split(":")[:2] for line in file.read_text().splitlines())

    file = folder / "users"
    passdb = f"passdb passwd-file {{\n  passwd_file_path = {file}\n}}\n"
    yield passdb, made(file), made(inner / "users")


@contextmanager
def mysql(folder: Path, inner: Path) -> Iterator[tuple[str, Read, Read]]:
    """Two servers whose sockets have the same path, each in its root."""
    del folder, inner

    def made(server: Server) -> Read:
        def link() -> pymysql.Connection:
            return pymysql.connect(
                host="127.0.0.1", port=server.port, user=ACCOUNT, password=server.password, autocommit=True
            )

        server.execute("CREATE DATABASE mail")
        server.execute(f"CREATE USER {ACCOUNT}@localhost IDENTIFIED BY 'same'")
        server.execute(f"GRANT ALL ON mail.* TO {ACCOUNT}@localhost")
        with link() as one, one.cursor() as cursor:
            cursor.execute("USE mail")
            cursor.execute(TABLE)
            cursor.executemany("INSERT INTO users VALUES (%s, %s)", [(name, BARE) for name in NAMES])

        def read() -> dict[str, str]:
            with link() as one, one.cursor() as cursor:
                cursor.execute("SELECT userid, password FROM mail.users")
                return dict(cursor.fetchall())

        return read

    with MariaDB() as ours, MariaDB() as its:
        passdb = (
            f"sql_driver = mysql\nmysql {ours.folder}/socket {{\n  user = {ACCOUNT}\n  password = same\n"
            f"  dbname = mail\n}}\npassdb sql {{\n  query = {QUERY}\n}}\n"
        )
        _FOLDERS[str(ours.folder)] = its.folder
        yield passdb, made(ours), made(its)


_FOLDERS: dict[str, Path] = {}


@pytest.fixture(params=[sqlite, passwd_file, mysql], ids=["sqlite", "passwd-file", "mysql"])
def both(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[int, Read, Read, Callable[..., str]]]:
    """A container's master; what is stored in our root, and in its; mailauth migrate."""
    store, inner, rest = tmp_path / "store", tmp_path / "inner", tmp_path / "rest"
    for place in (store, inner, rest):
        place.mkdir()
    tmp_path.chmod(0o755)
    _FOLDERS.clear()

    def migrate(*words: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mailauth", "migrate", *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"MAILAUTH_STATE": str(tmp_path / "state")},
            cwd=ROOT,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    with (
        request.param(store, inner) as (passdb, ours, its),
        container(rest, passdb=passdb, binds=_FOLDERS or {str(store): inner}) as pid,
    ):
        yield pid, ours, its, migrate


def logs_in(pid: int) -> bool:
    return mailauth("login", USER, "--pid", str(pid), "--password-stdin", feed=SECRET).returncode == 0


def test_each_root_has_a_store_of_its_own(
    both: tuple[int, Read, Read, Callable[..., str]], tmp_path: Path
) -> None:
    pid, ours, its, migrate = both
    before = ours()
    at = ("--pid", str(pid), "--prefix")
    planned = migrate("plan", *at, status=1)
    assert f"in the root of process {pid}" in planned
    assert its() == before
    done = json.loads(migrate("apply", *at, "--apply", "--json", "--batch", "25"))
    assert done["report"]["written"] == len(NAMES)
    assert ours() == before
    assert set(its().values()) == {"{BLF-CRYPT}" + BARE}
    time.sleep(1.1)  # Dovecot looks at a passwd-file once a second: src/auth/db-passwd-file.c
    assert logs_in(pid)
    users = tmp_path / "users.csv"
    users.write_text(f"{USER},{SECRET}\nnobody,x\n")
    users.chmod(0o600)
    told = migrate("import", str(users), *at[:2], "--profile", "owasp-7", "--apply", "--json", status=1)
    assert its()[USER].startswith("{ARGON2ID}"), told
    assert ours() == before
    migrate("undo", json.loads(told)["id"], *at[:2], "--apply")
    migrate("undo", done["id"], *at[:2], "--apply")
    assert (its(), ours()) == (before, before)
