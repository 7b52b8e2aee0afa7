"""Rehashing on login, on real Dovecots: everyone is migrated, nobody notices, no plaintext is anywhere."""

import imaplib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mailauth.lab import Lab, MariaDB, Postgres
from mailauth.lab.databases import Server
from mailauth.migrate import users_left
from mailauth.migrate.rehash import Rehashed
from mailauth.migrate.tally import OutcomeCounts
from tests.cli.running import mailauth
from tests.migrate.conftest import OnLoginLab, old_users, secret
from tests.proofs.test_user import master, with_passdbs

USERS = 24

Make = Callable[..., OnLoginLab]


def schemes(found: OnLoginLab) -> set[str]:
    """The schemes in the store now, as its status counts them."""
    seen = json.loads(found.mailauth("status", "--rows", "--json").stdout)
    return {"ARGON2ID"} if not seen["left"] else {one["shown"] for one in seen["left"]}


def test_every_user_is_migrated_at_the_next_login(on_login: Make, dovecot_version: str, store: str) -> None:
    """And can log in again; the change to Dovecot's files is taken out again without a trace."""
    found = on_login(dovecot_version, store, old_users(USERS))
    before = found.lab.config.read_text()
    found.enable()
    found.start()
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))
    found.wait(Rehashed.MIGRATED, USERS)
    assert schemes(found) == {"ARGON2ID"}
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))
    assert not found.lab.login("u1", b"wrong").ok
    assert found.stop() == 0
    found.mailauth("disable", *found.at, "--apply")
    assert found.lab.config.read_text() == before
    assert not list(found.lab.folder.glob("mailauth-*.conf.ext"))
    assert all(found.lab.login(f"u{n}", secret(n)).ok for n in range(USERS))


LOGGED_IN = [
    ("2.3.19.1", "sqlite", "WHERE userid = '%u' AND no%Ls = 0"),
    ("2.4.1", "pgsql", "WHERE userid = '%{user}' AND no%{protocol} = 0"),
]


@pytest.mark.parametrize(("version", "store", "where"), LOGGED_IN)
def test_users_without_imap_and_with_another_name_than_they_sent_are_migrated(
    on_login: Make, version: str, store: str, where: str
) -> None:
    """The passdb takes the domain away, and the query has a column for each service."""
    users = {f"{user}@example.org": stored for user, stored in old_users(USERS // 4).items()}
    name = "substr(userid, 1, 2)"
    query = f"SELECT {name} AS user, password FROM users {where}"
    found = on_login(version, store, users, query=query)
    found.lab.store.execute(  # type: ignore[attr-defined]
        *(f"ALTER TABLE users ADD no{service} INT DEFAULT {no}" for service, no in (("imap", 1), ("pop3", 0)))
    )
    found.enable()
    found.start()
    assert not found.lab.login("u0@example.org", secret(0)).ok
    for number in range(len(users)):
        assert found.lab.login(f"u{number}@example.org", secret(number), service="pop3").ok
    found.wait(Rehashed.MIGRATED, len(users))
    assert all(str(stored).startswith("{ARGON2ID}") for stored in found.lab.store.users().values())
    for number in range(len(users)):
        assert found.lab.login(f"u{number}@example.org", secret(number), service="pop3").ok


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
            found.wait(Rehashed.MIGRATED, USERS)
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


def test_every_report_is_counted_and_the_status_reads_no_row(on_login: Make, dovecot_version: str) -> None:
    """Made, there already, wrong passwords; who is left is counted on request, and remembered."""
    found = on_login(dovecot_version, "sqlite", old_users(8))
    found.enable()
    found.start()
    first = found.mailauth("status").stdout
    assert "not known yet" in first
    assert json.loads(found.mailauth("status", "--rows", "--json").stdout)["users"] == 8
    for number in range(6):
        assert found.lab.login(f"u{number}", secret(number)).ok
    found.wait(Rehashed.MIGRATED, 6)
    for number in range(3):
        assert found.lab.login(f"u{number}", secret(number)).ok
        assert not found.lab.login(f"u{number}", b"wrong").ok
    found.wait(Rehashed.ALREADY, 3)
    found.wait(Rehashed.NO_LOGIN, 3)
    told = json.loads(found.mailauth("status", "--json").stdout)
    assert (told["users"], told["reached"], told["left"]) == (8, 6, [])
    listed = found.state / "listed.json"
    found.mailauth("status", "--rows", "--users-out", str(listed))
    text = listed.read_text()
    assert {row["user"]: row["what"] for row in json.loads(text)} == {
        f"u{n}": users_left.THERE if n < 6 else users_left.WAITS for n in range(8)
    }
    assert not any(stored[-12:] in text for stored in old_users(8).values() if stored)
    assert sum(told["totals"].values()) == 12, "each login was reported, and each report counted"
    assert "6 of 8 users have ARGON2ID" in found.mailauth("status").stdout


def test_several_hashes_are_made_at_once_and_one_for_each_user(on_login: Make, dovecot_version: str) -> None:
    """All log in three times at once, as mail clients do: nobody's row is worked at by two, and all count."""
    count = 12
    found = on_login(dovecot_version, "sqlite", old_users(count), settings="auth_failure_delay = 0\n")
    found.enable()
    found.start("--workers", "3")
    with ThreadPoolExecutor(6) as pool:
        logins = [pool.submit(found.lab.login, f"u{n}", secret(n)) for n in range(count) for _ in range(3)]
        assert all(one.result().ok for one in logins)
    found.wait(Rehashed.MIGRATED, count, 300)
    found.wait(Rehashed.ALREADY, 2 * count, 300)
    assert sum(found.totals().values()) == 3 * count
    assert found.stop() == 0
    assert schemes(found) == {"ARGON2ID"}


def test_no_more_are_made_at_once_than_there_is_memory_for(on_login: Make, dovecot_version: str) -> None:
    found = on_login(dovecot_version, "sqlite", old_users(2))
    found.enable("--profile", "owasp-46")
    found.start("--workers", "64", by=("prlimit", "--as=1073741824"), first="memory is there for 8 of 64")
    assert found.lab.login("u1", secret(1)).ok
    found.wait(Rehashed.MIGRATED, 1)


def test_two_dovecots_of_a_machine_have_an_on_login_each(on_login: Make) -> None:
    one, other = (on_login("2.3.19.1", "sqlite", old_users(2)) for _ in range(2))
    other.state = one.state
    one.enable()
    said = other.mailauth(
        "enable", *other.at, "--port", str(other.port), "--apply", *other.accepting, ok=False
    )
    assert "another --name" in said.stderr, said
    same = ("enable", *other.at, "--name", "other", "--port", str(one.port), "--apply", *other.accepting)
    assert f"port {one.port} is that of the on-login of" in other.mailauth(*same, ok=False).stderr
    other.enable("--name", "other", "--profile", "owasp-7")
    assert "serve --name other" in other.mailauth("unit", "--name", "other").stdout
    one.start()
    other.start("--name", "other")
    for lab in (one.lab, other.lab):
        assert all(lab.login(f"u{n}", secret(n)).ok for n in range(2))
    one.wait(Rehashed.MIGRATED, 2)
    tally = OutcomeCounts(one.state / "on-login" / "other" / "tally.sqlite")
    end = time.monotonic() + 60
    while tally.totals()[Rehashed.MIGRATED] < 2:
        assert time.monotonic() < end, tally.totals()
        time.sleep(0.05)
    other.mailauth("disable", *other.at, "--name", "other", "--apply")
    assert json.loads(one.mailauth("status", "--rows", "--json").stdout)["reached"] == 2


def test_a_master_login_migrates_nobody(on_login: Make, dovecot_version: str) -> None:
    """The password is the master's: a hash of it would be the user's, and let the master in for ever."""
    found = on_login(dovecot_version, "sqlite", old_users(2))
    with_passdbs(found.lab, before=master(found.lab), after="auth_master_user_separator = *\n")
    found.lab.reload()
    found.enable()
    found.start()
    before = schemes(found)
    assert found.lab.login("u0*root", b"master").ok
    found.wait(Rehashed.NO_LOGIN, 1)
    assert found.lab.login("u1", secret(1)).ok  # what is reported afterwards is worked off afterwards
    found.wait(Rehashed.MIGRATED, 1)
    assert found.totals()[Rehashed.MIGRATED] == 1
    assert len(before - schemes(found)) == 1
    assert found.lab.login("u0", secret(0)).ok
    assert not found.lab.login("u0", b"master").ok


def test_a_service_that_is_not_started_is_named(on_login: Make, dovecot_version: str) -> None:
    """Dovecot logs of a policy server that does not answer: it is ours, and nobody is locked out by it."""
    found = on_login(dovecot_version, "passwd-file", old_users(1))
    found.enable()
    assert found.lab.login("u0", secret(0)).ok
    assert found.lab.logs("olicy server")
    told = mailauth("diagnose", "u0", *found.at)
    assert "AUTH017" in told.stdout, told.stdout + found.lab.log()
    assert "mailauth's own on-login is enabled, and its service does not answer" in told.stdout
    assert "mailauth migrate on-login serve" in told.stdout


def test_a_service_killed_with_reports_on_their_way_hears_of_logins_again(on_login: Make) -> None:
    """2.4's pause before it connects again doubled with each report: 204 s after 12, and until a reload."""
    found = on_login("2.4.1", "passwd-file", old_users(USERS))
    found.enable()
    found.start()
    assert found.lab.login("u0", secret(0)).ok
    found.wait(Rehashed.MIGRATED, 1)
    assert found.service
    found.service.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(USERS // 2) as clients:
        assert all(clients.map(lambda n: found.lab.login(f"u{n}", secret(n)).ok, range(1, 1 + USERS // 2)))
    found.stop(signal.SIGKILL)
    found.start()
    end = time.monotonic() + 60
    while not found.totals()[Rehashed.MIGRATED] > 1:
        assert time.monotonic() < end, found.lab.log()
        assert found.lab.login("u20", secret(20)).ok
        time.sleep(0.5)
