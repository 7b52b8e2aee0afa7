"""Stores as they are found: aliases, joins, views, pgbouncer, few rights; a login is the judge."""

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from mailauth.hashes import Password, Verdict, verify
from mailauth.lab import Lab, Postgres
from mailauth.lab.ports import Ports
from mailauth.lab.settings import LabPlace
from mailauth.lab.stores import SqlStore
from tests.cli.running import mailauth
from tests.conftest import missing
from tests.migrate.conftest import secret
from tests.migrate.test_apply import Make, Store, bare_bcrypt, migrated
from tests.migrate.test_undo import MD5

__all__ = ["migrated"]
COUNT = 12
JOINED = (
    "SELECT u.userid AS user, u.password AS password FROM users u JOIN domains AS d ON d.name = u.home"
    " WHERE u.userid = '%u' AND d.active = 1"
)
LISTED = (
    "SELECT m.password, m.userid AS user FROM domains d, users m WHERE m.userid = '%u' AND d.name = m.home"
)
DOMAINS = (
    "ALTER TABLE users ADD home VARCHAR(190)",
    "CREATE TABLE domains (name VARCHAR(190) PRIMARY KEY, active INT, password VARCHAR(10))",
    "INSERT INTO domains VALUES ('x', 1, 'not it')",
    "UPDATE users SET home = 'x'",
)


def changed_and_back(one: Store, *words: str) -> None:
    """Planned, applied, everybody in, undone, and each string as it was."""
    before = one.lab.store.users()
    plan = json.loads(one.run("plan", "--prefix", "--json", *words, status=1))
    assert [line["rows"] for line in plan["lines"] if line["action"]] == [COUNT]
    done = json.loads(one.run("apply", "--prefix", "--apply", "--batch", "5", "--json", *words))
    assert done["report"]["written"] == COUNT
    assert one.logins(COUNT) == [True] * COUNT
    undone = json.loads(one.run("undo", done["id"], "--apply", "--json", *words))
    assert undone["report"]["written"] == COUNT
    assert one.lab.store.users() == before


@pytest.mark.parametrize("query", [JOINED, LISTED], ids=["join", "comma"])
@pytest.mark.parametrize("store", ["sqlite", "mysql", "pgsql"])
def test_the_one_table_that_has_the_password(migrated: Make, store: str, query: str) -> None:
    one = migrated("2.3.19.1", store, bare_bcrypt(COUNT), query=query, **MD5)
    assert isinstance(one.lab.store, SqlStore)
    one.lab.store.execute(*DOMAINS)
    changed_and_back(one, "--pid", str(one.lab.master_pid))


@pytest.mark.parametrize("store", ["sqlite", "mysql", "pgsql"])
def test_a_view_is_refused_with_its_table_and_that_can_be_named(migrated: Make, store: str) -> None:
    query = "SELECT userid AS user, password FROM logins WHERE userid = '%u'"
    one = migrated("2.3.19.1", store, bare_bcrypt(COUNT), query=query, **MD5)
    assert isinstance(one.lab.store, SqlStore)
    one.lab.store.execute("CREATE VIEW logins AS SELECT userid, password FROM users")
    at = ("--pid", str(one.lab.master_pid))
    said = one.run("plan", "--prefix", *at, status=1, told=True)
    assert "is a view" in said
    assert "--rows-query" in said
    changed_and_back(one, *at, "--rows-query", "SELECT userid, password FROM users")


def test_without_the_right_to_temporary_tables(migrated: Make) -> None:
    one = migrated("2.3.19.1", "mysql", bare_bcrypt(COUNT), **MD5)
    base, place = one.lab.store, one.lab.store.place
    assert isinstance(base, SqlStore)
    account = f"few{place.database}"
    base.execute(
        f"CREATE USER {account}@'{place.host}' IDENTIFIED BY 'x'",
        f"GRANT SELECT, UPDATE ON {place.database}.* TO {account}@'{place.host}'",
    )
    config = one.lab.folder / "dovecot-sql.conf.ext"
    try:
        text = config.read_text()
        config.write_text(
            text.replace(f"user={place.user} password={place.password}", f"user={account} password=x")
        )
        one.lab.reload()
        changed_and_back(one, "--pid", str(one.lab.master_pid))
        with other_writer(place, "u3"):
            done = json.loads(one.at("apply", "--prefix", "--apply", "--json", status=1))
        assert (done["report"]["written"], done["report"]["locked"]) == (COUNT - 1, 1)
    finally:
        base.execute(f"DROP USER {account}@'{place.host}'")


@contextmanager
def other_writer(place: LabPlace, user: str) -> Iterator[None]:
    """Somebody who has that user's row locked."""
    link = pymysql.connect(
        host=place.host,
        port=int(place.port),
        user=place.user,
        password=place.password,
        database=place.database,
        ssl_disabled=True,
    )
    with link, link.cursor() as cursor:
        cursor.execute("SELECT password FROM users WHERE userid = %s FOR UPDATE", (user,))
        yield


def test_a_server_that_quotes_names_as_the_standard_does(migrated: Make) -> None:
    query = """SELECT "userid" AS "user", "password" FROM "users" WHERE "userid" = '%u'"""
    one = migrated("2.3.19.1", "mysql", bare_bcrypt(COUNT), query=query, **MD5)
    base = one.lab.store
    assert isinstance(base, SqlStore)
    base.execute("SET GLOBAL sql_mode = 'ANSI_QUOTES'")
    try:
        one.lab.reload()
        changed_and_back(one, "--pid", str(one.lab.master_pid))
    finally:
        base.execute("SET GLOBAL sql_mode = DEFAULT")


def listens(port: int) -> bool:
    with socket.socket() as one:
        return not one.connect_ex(("127.0.0.1", port))


@contextmanager
def bouncer(place: LabPlace, mode: str) -> Iterator[int]:
    """A pgbouncer before that database; yields its port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") or ""
    if not program:
        missing("pgbouncer is not installed")
    ports = Ports()
    port = ports.take()
    made = tempfile.TemporaryDirectory()  # not below pytest's own, which only its owner enters
    folder = Path(made.name)
    (folder / "users.txt").write_text(f'"{place.user}" "{place.password}"\n')
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "auth_type": "plain",
        "auth_file": folder / "users.txt",
        "pool_mode": mode,
        "default_pool_size": 4,
        "unix_socket_dir": "",
    }
    at = f"host={place.host} port={place.port}"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    (folder / "bouncer.ini").write_text(
        "\n".join(["[databases]", f"{place.database} = {at}", "[pgbouncer]", *lines, ""])
    )
    folder.chmod(0o755)
    drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if not os.geteuid() else ()
    with subprocess.Popen([*drop, program, "-q", str(folder / "bouncer.ini")]) as running:
        try:
            end = time.monotonic() + 30
            while not listens(port) and time.monotonic() < end:
                time.sleep(0.05)
            yield port
        finally:
            running.terminate()
            ports.close()
            made.cleanup()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_behind_pgbouncer(migrated: Make, mode: str) -> None:
    one = migrated("2.3.19.1", "pgsql", bare_bcrypt(COUNT), **MD5)
    place = one.lab.store.place
    with bouncer(place, mode) as port:
        config = one.lab.folder / "dovecot-sql.conf.ext"
        config.write_text(config.read_text().replace(f"port={place.port}", f"port={port}"))
        one.lab.reload()
        at = ("--pid", str(one.lab.master_pid))
        changed_and_back(one, *at)
        assert one.run("plan", "--prefix", *at, status=1)
        said = subprocess.run(
            [sys.executable, "-m", "mailauth", "audit", "--pid", str(one.lab.master_pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "startup parameter" not in said.stdout + said.stderr
        mailauth("diagnose", "u0", "--pid", str(one.lab.master_pid))
        url = f"postgresql://{place.user}:{place.password}@127.0.0.1:{port}/{place.database}"
        for _ in range(8):  # nothing of ours is left in a session that others get
            with psycopg.connect(url) as link:
                left = link.execute("SELECT current_setting('statement_timeout')").fetchone()
            assert left == ("0",)
        assert f"{COUNT}" in said.stdout


def test_a_database_without_an_encoding(tmp_path: Path) -> None:
    """Whatever bytes are there, as Dovecot gets them; a name that is not UTF-8 is left, as the plan says."""
    with Postgres() as server:
        name, odd = "bytes", {b"latin": b"p\xe4sswort", b"m\xfcller": b"another"}
        server.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        url = f"postgresql://lab:{server.password}@127.0.0.1:{server.port}/{name}"

        def run(*words: str, status: int) -> Any:
            at = ("--url-fd", "0", "--rows-query", "SELECT userid, password FROM users")
            state = str(tmp_path / "state")
            done = mailauth("migrate", *words, "--json", *at, feed=url, MAILAUTH_STATE=state)
            assert done.returncode == status, done.stdout + done.stderr
            return json.loads(done.stdout)

        def rows() -> dict[bytes, bytes]:
            asked = "SELECT convert_to(userid, 'SQL_ASCII'), convert_to(password, 'SQL_ASCII') FROM users"
            return {bytes(user): bytes(stored) for user, stored in link.execute(asked).fetchall()}

        with psycopg.connect(url, autocommit=True) as link:
            link.execute("CREATE TABLE users (userid TEXT PRIMARY KEY, password VARCHAR(120))")
            for user, stored in bare_bcrypt(COUNT).items():
                link.execute("INSERT INTO users VALUES (%s, %s)", (user, stored))
            done = run("apply", "--prefix", "--apply", "--default-scheme", "MD5", status=0)
            assert done["report"]["written"] == COUNT
            assert all(stored.startswith(b"{BLF-CRYPT}$2") for stored in rows().values())
            for pair in odd.items():
                link.execute(
                    "INSERT INTO users VALUES (convert_from(%s, 'SQL_ASCII'), convert_from(%s, 'SQL_ASCII'))",
                    pair,
                )
            before = rows()
            for rule in (["--prefix-default"], ["--rehash", "SSHA512"]):
                words = (*rule, "--default-scheme", "PLAIN")
                assert run("plan", *words, status=1)["not_utf8"] == 1
                done = run("apply", *words, "--batch", "2", "--apply", status=1)
                assert (done["report"]["written"], done["report"]["failed"]) == (1, 1)
                new = rows()[b"latin"]
                assert verify(new, Password(odd[b"latin"])).verdict is Verdict.MATCH
                run("undo", done["id"], "--default-scheme", "PLAIN", "--apply", status=0)
                assert rows() == before


def test_a_passwd_file_for_each_domain(migrated: Make) -> None:
    """One migration of all, one undo; the domain that went away meanwhile is said."""
    one = migrated("2.3.19.1", "passwd-file", {})
    users = [f"u{n}@d{n % 3}.example" for n in range(COUNT)]
    strings = list(bare_bcrypt(COUNT).values())
    for user, stored in zip(users, strings, strict=True):
        file = one.lab.folder / "domains" / user.partition("@")[2] / "passwd"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as there:
            there.write(f"{user}:{stored}::::::\n")
    files = sorted((one.lab.folder / "domains").glob("*/passwd"))
    before = [file.read_bytes() for file in files]
    config = Path(one.lab.config)
    config.write_text(
        config.read_text().replace(f"{one.lab.folder}/users", f"{one.lab.folder}/domains/%d/passwd")
    )
    subprocess.run(["chmod", "-R", "a+rX", str(one.lab.folder / "domains")], check=True)
    one.lab.reload()
    done = json.loads(one.at("apply", "--prefix", "--apply", "--batch", "2", "--json"))
    assert done["report"]["written"] == COUNT
    assert [one.lab.login(user, secret(n)).ok for n, user in enumerate(users)] == [True] * COUNT
    gone = files[1].rename(files[1].with_name("away"))
    undone = json.loads(one.at("undo", done["id"], "--apply", "--json", status=1))
    assert (undone["report"]["written"], undone["report"]["changed"]) == (COUNT - COUNT // 3, COUNT // 3)
    gone.rename(files[1])
    assert [file.read_bytes() for file in (files[0], files[2])] == [before[0], before[2]]


def test_a_passwd_file_that_others_write_all_the_time(tmp_path: Path) -> None:
    """Replaced every 0.1 s, later less often, by a panel that locks nothing: tried again until it is done."""
    file = tmp_path / "users"
    lines = [f"{user}:{stored}::::::0\n" for user, stored in bare_bcrypt(COUNT).items()]
    file.write_text("".join(lines))
    ended = threading.Event()

    def panel() -> None:
        for number in itertools.count():
            text = file.read_text().replace(f"::::::{number}\n", f"::::::{number + 1}\n")
            other = file.with_name("other")
            other.write_text(text)
            other.rename(file)
            if ended.wait(0.1 + number / 50):  # for a machine on which a try takes longer than that
                return

    writer = threading.Thread(target=panel)
    writer.start()
    try:
        words = ("--url", f"passwd-file:{file}", "--default-scheme", "MD5", "--batch", "3")
        done = mailauth(
            "migrate", "apply", "--prefix", "--apply", "--json", *words, MAILAUTH_STATE=str(tmp_path)
        )
    finally:
        ended.set()
        writer.join()
    report = json.loads(done.stdout)["report"]
    assert not report["problem"], report
    assert report["written"] == COUNT


def test_the_accounts_of_docker_mailserver(tmp_path: Path) -> None:
    """Its own list, user|hash: changed as it is, and Dovecot lets in whom it makes its file of."""
    file = tmp_path / "postfix-accounts.cf"
    lines = [f"{user}@example.org|{stored}|quota=1G" for user, stored in bare_bcrypt(COUNT).items()]
    text = "# made by setup\n" + "\n".join(lines) + "\n"
    file.write_text(text)
    words = ("--url", f"passwd-file:{file}", "--default-scheme", "MD5")
    plan = mailauth("migrate", "plan", "--prefix", *words)
    assert "$2y$04$abc" not in plan.stdout
    assert "u0@example.org" in plan.stdout
    done = mailauth("migrate", "apply", "--prefix", "--apply", "--json", *words, MAILAUTH_STATE=str(tmp_path))
    assert json.loads(done.stdout)["report"]["written"] == COUNT, done.stderr
    assert file.read_text() == text.replace("|$2", "|{BLF-CRYPT}$2")
    users = dict(line.split("|")[:2] for line in file.read_text().splitlines()[1:])
    with Lab("2.3.19.1", "passwd-file", users) as one:
        assert [one.login(f"u{n}@example.org", secret(n)).ok for n in range(COUNT)] == [True] * COUNT
    name = json.loads(done.stdout)["id"]
    mailauth("migrate", "undo", name, "--apply", "--url", f"passwd-file:{file}", MAILAUTH_STATE=str(tmp_path))
    assert file.read_text() == text
