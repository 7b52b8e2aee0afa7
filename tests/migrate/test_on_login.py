"""Rehashing on login, on real Dovecots: everyone is migrated, nobody notices, no plaintext is anywhere."""

import imaplib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mailauth.lab import Lab, MariaDB, Postgres
from mailauth.lab.databases import Server
from mailauth.migrate.rehash import Outcome
from tests.migrate.conftest import OnLoginLab, old_users, secret

USERS = 24

Make = Callable[..., OnLoginLab]


def schemes(found: OnLoginLab) -> set[str]:
    """The schemes in the store now, as its status counts them."""
    seen = json.loads(found.mailauth("status", "--json").stdout)
    return {"ARGON2ID"} if not seen["left"] else {one["shown"] for one in seen["left"]}


def test_every_user_is_migrated_at_the_next_login(on_login: Make, dovecot_version: str, store: str) -> None:
    """And can log in again; the change to Dovecot's files is taken out again without a trace."""
    found = on_login(dovecot_version, store, old_users(USERS))
    before = found.lab.config.read_text()
    found.enable()
    found.start()
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))
    found.wait(Outcome.MIGRATED, USERS)
    assert schemes(found) == {"ARGON2ID"}
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))
    assert not found.lab.login("u1", b"wrong").ok
    assert found.stop() == 0
    found.mailauth("disable", *found.at, "--apply")
    assert found.lab.config.read_text() == before
    assert not list(found.lab.folder.glob("mailauth-*.conf.ext"))
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))


CANARY = b"canary-0"  # what every secret() begins with, and no other test's


@contextmanager
def watched() -> Iterator[set[str]]:
    """Every process's arguments and environment, looked at over and over for a password."""
    found: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        if CANARY in (process / name).read_bytes():
                            found.add(f"{process / name}")

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def logging_everything(server: Server) -> None:
    """PostgreSQL's log_statement=all, MariaDB's general log."""
    if server.driver == "pgsql":
        server.execute("ALTER SYSTEM SET log_statement = 'all'")
        server.execute("SELECT pg_reload_conf()")
        return
    server.execute("SET GLOBAL general_log_file = 'general.log'")
    server.execute("SET GLOBAL general_log = 1")


@pytest.mark.parametrize("kind", [Postgres, MariaDB])
def test_no_plaintext_is_to_be_found_anywhere(
    on_login: Make, dovecot_version: str, kind: type[Server]
) -> None:
    """In SQL logs, arguments, environments and Dovecot's debug log, while everyone is migrated over IMAP."""
    with kind() as server:
        found = on_login(
            dovecot_version,
            server.driver,
            old_users(USERS),
            settings="auth_debug = yes\n",
            protocols=("imap",),
            database=server,
        )
        logging_everything(server)
        found.enable()
        found.start()
        with watched() as seen:
            for number in range(USERS):
                imap_login(found.lab, number)
            found.wait(Outcome.MIGRATED, USERS)
            for number in range(USERS):
                imap_login(found.lab, number)
        assert seen == set()
        sql_log = server.folder / ("server.log" if server.driver == "pgsql" else "data/general.log")
        logs = [found.lab.folder / "log", sql_log]
        dovecot, sql = [path.read_bytes() for path in logs]
        assert sql.count(b"UPDATE users") >= USERS, "the SQL log has the statements"
        assert dovecot.count(b"command=report") >= USERS, "Dovecot's debug log has the reports"
        assert CANARY not in dovecot
        assert CANARY not in sql


def imap_login(lab: Lab, number: int) -> None:
    with imaplib.IMAP4("127.0.0.1", lab.ports["imap"]) as client:
        client.login(f"u{number}", secret(number).decode())
