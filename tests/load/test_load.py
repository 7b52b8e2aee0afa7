"""``mailauth load`` against real Dovecots: what it counts, what it refuses, how it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import pytest

from mailauth.hashes import Password
from mailauth.lab import Lab, MariaDB
from mailauth.load.authpool import AuthPool
from mailauth.load.plan import LoadPlan, Search, Span
from mailauth.load.pool import Bounds
from mailauth.load.result import LoadResult
from mailauth.load.run import About, load
from mailauth.load.users import Account, Mix
from mailauth.load.watch import Blind
from mailauth.render.load import load_text
from tests.cli.running import ROOT, mailauth
from tests.load.faults import SETTINGS, StatsReaders, keep_books

SCHEMA = ROOT / "mailauth" / "schemas" / "load.json"
USERS = {f"u{n}": f"{{PLAIN}}secret{n}" for n in range(5)}
CSV = "".join(f"u{n},secret{n}\n" for n in range(5))
STALE = "".join(f"u{n},older{n}\n" for n in range(5))
QUICK = ("--duration", "1", "--warm-up", "0")
# In a lab nobody is held back; here they are, as on a server.
# 2.4 counts none where auth_failure_delay is 0, as it is in a lab: auth_request_want_failure_delay(),
# 2.4.1 src/auth/auth-request-handler.c.
PENALTIES = (
    "auth_failure_delay = 1s\n"
    "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0600\n  }\n}\n"
)


def loaded(*words: str, feed: str = CSV, status: int = 0) -> LoadResult:
    done = mailauth("load", *words, "--json", feed=feed)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done
    assert "secret" not in done.stdout + done.stderr
    told = json.loads(done.stdout)
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    return msgspec.json.decode(done.stdout, type=LoadResult)


def of_lab(lab: Lab) -> tuple[str, ...]:
    return ("--socket", str(lab.auth_socket), "--users", "-")


def imap(lab: Lab) -> tuple[str, ...]:
    return ("--by", "imap", "--host", f"127.0.0.1:{lab.ports['imap']}", "--users", "-")


@pytest.fixture
def own_database() -> Iterator[MariaDB]:
    """Of this test alone: it is killed."""
    with MariaDB() as server:
        yield server


def test_every_request_is_counted_once_and_as_dovecot_does(
    dovecot_version: str, own_database: MariaDB
) -> None:
    """Workers are killed, Dovecot reloaded, the database restarted; for long: bench/load_faults.py."""
    for seconds in (6.0, 60.0):
        books = keep_books(dovecot_version, own_database, seconds=seconds, rate=60.0, pause=0.8)
        assert books.problems == []
        assert books.result.counts.sent == 60 * seconds
        assert books.each_once, books
        assert books.agree, books
        if books.faults.get("reload"):
            break  # else starting the database took so long that the load was over
    assert set(books.faults) == {"database", "worker", "reload"}


def test_what_a_killed_auth_process_had_is_lost_and_no_more(own_database: MariaDB) -> None:
    """Dovecot may have finished more than we heard of, but not less."""
    books = keep_books("2.3.19.1", own_database, seconds=3.0, rate=200.0, pause=0.5, kinds=("auth",))
    assert books.faults["auth"] > 0
    assert books.result.counts.lost["the connection was closed"] > 0
    assert books.each_once, books
    assert books.result.counts.answered <= books.dovecot["requests"] <= books.result.counts.sent


def test_a_load_of_a_lab_shows_its_numbers_and_draws_them(tmp_path: Path) -> None:
    picture = tmp_path / "load.png"
    lab = ("--lab", "--lab-users", "2", "--scheme", "PLAIN", "--store", "sqlite")
    more = ("--ramp", "20:60", "--wrong", "25", "--picture", str(picture))
    done = mailauth("load", *lab, *QUICK, *more)
    assert done.returncode == 0
    assert re.search(r"20/s to 60/s for 1\.\d s, 2 users, 25% with a wrong password", done.stdout)
    assert (
        "sent       40\n  ok         30\n  refused    10  (wrong passwords, as they should be)" in done.stdout
    )
    assert "auth-workers at most" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("limit", "rate", "held"), [(10.0, 200.0, True), (1e-6, 0.0, False)])
def test_the_knee(lab: Callable[..., Lab], limit: float, rate: float, held: bool) -> None:
    """The highest rate that was asked for, where all are held; none, where nothing can be."""
    accounts = [Account(user, Password.of(stored[7:])) for user, stored in USERS.items()]
    plan = LoadPlan(
        None, None, 1.0, 0.0, 0.0, 2, 100, 10.0, search=Search(limit, Span(0.1, first=50.0, most=200.0))
    )
    with lab(None, "passwd-file", USERS) as one:
        mix = Mix(accounts, 0.0)
        bounds = Bounds(plan.in_flight, plan.timeout)
        result = load(plan, About("", ""), lambda: AuthPool(one.auth_socket, mix, bounds, 2), mix, Blind())
    assert result.knee
    assert (result.knee.rate, result.knee.above is None) == (rate, held)
    assert {step.held for step in result.knee.steps} == {held}
    assert result.counts.sent == sum(step.counts.sent for step in result.knee.steps) == result.counts.ok
    text = load_text(result)
    assert ("KNEE  200/s with p95 within 10.0 s" in text) is held
    assert ("NO KNEE: not even 12.5/s held" in text) is not held
    stopped = replace(result, knee=replace(result.knee, steps=[]))  # by Ctrl-C during the warm-up
    assert "NO KNEE: stopped before the first rate was measured." in load_text(stopped)


def test_a_stranger_is_not_loaded(tmp_path: Path) -> None:
    """Another machine without --i-own-this-server; and with it, only where Dovecot answers."""
    there = ("--by", "imap", "--host", "192.0.2.1", "--users", "-")
    done = mailauth("load", *there, "--tls", feed=CSV)
    assert (done.returncode, done.stdout) == (1, "")
    assert "192.0.2.1:993: is not a loopback address; say --i-own-this-server if you may" in done.stderr
    done = mailauth("load", *there, "--i-own-this-server", feed=CSV)
    assert (done.returncode, done.stdout) == (2, "")
    assert "192.0.2.1: passwords would cross the network in the clear; add --tls" in done.stderr
    path = tmp_path / "auth-client"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    done = mailauth("load", "--socket", str(path), "--users", "-", "--i-own-this-server", feed=CSV)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith(f"mailauth: {path}: the auth socket does not answer (Connection refused).\n")


def test_a_server_of_this_machine_is_loaded_at_a_named_rate_only(
    lab: Callable[..., Lab], tmp_path: Path
) -> None:
    """It has users: they are thought of in a line, and a load that goes on until they wait is refused."""
    with lab(None, "passwd-file", USERS, "", ("imap",)) as one:
        one.stop()
        config = tmp_path / "dovecot.conf"
        config.write_text(one.config.read_text())
        with subprocess.Popen(["dovecot", "-F", "-c", str(config)]) as master:
            try:
                until = time.monotonic() + 60
                while not answers(one.auth_socket):
                    assert time.monotonic() < until
                    time.sleep(0.05)
                for where in (of_lab(one), (*imap(one), "--penalties")):
                    done = mailauth("load", *where, *QUICK, "--rate", "20", feed=CSV)
                    assert (done.returncode, "  ok         20\n" in done.stdout) == (0, True), done
                    assert done.stderr.startswith("This is not a lab's Dovecot: logins of users wait")
                    for search in (("--max", *QUICK), ("--find-knee", "--warm-up", "0"), ("--attack",)):
                        done = mailauth("load", *where, *search, feed=CSV)
                        assert (done.returncode, done.stdout) == (1, "")
                        assert "this load goes on until logins wait; say --i-own-this-server" in done.stderr
            finally:
                master.terminate()


def test_by_tls(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """From the first byte on; and a port that is not for it is told in a sentence."""
    with lab(dovecot_version, "passwd-file", USERS, "", ("imap",), tls=True) as one:
        where = ("--by", "imap", "--users", "-", *QUICK, "--rate", "20", "--tls")
        told = loaded(*where, "--host", f"127.0.0.1:{one.ports['imaps']}")
        assert (told.counts.sent, told.counts.ok) == (20, 20)
        done = mailauth("load", *where, "--host", f"127.0.0.1:{one.ports['imap']}", feed=CSV)
        assert (done.returncode, done.stdout) == (3, "")
        assert "TLS is not spoken there, or not like this: wrong version number" in done.stderr


def answers(path: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        return True
    return False


def test_a_file_of_stale_passwords_ends_early_and_says_why(lab: Callable[..., Lab]) -> None:
    with lab(None, "passwd-file", USERS) as one:
        told = loaded(*of_lab(one), *QUICK, "--rate", "50", "--stop-failures", "5", feed=STALE, status=1)
        assert told.counts.ok == 0
        assert set(told.counts.failed) == {"refused"}
        assert told.counts.sent == told.counts.failed["refused"]


def test_no_penalty_is_tripped_unknowingly(lab: Callable[..., Lab]) -> None:
    """The auth socket knows none; IMAP refuses, ends at the first refusal, or comes from elsewhere."""
    with lab(None, "passwd-file", USERS, PENALTIES, ("imap",)) as one:

        def held_back() -> str:
            return one.run("doveadm", "penalty").stdout

        told = loaded(*of_lab(one), *QUICK, "--rate", "40", "--wrong", "50", "--sources", "3")
        assert told.counts.refused == 20
        assert "127." not in held_back()

        refused = mailauth("load", *imap(one), *QUICK, "--wrong", "50", feed=CSV)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "--penalties" in refused.stderr
        assert "127." not in held_back()

        good = loaded(*imap(one), *QUICK, "--rate", "10")
        assert (good.counts.ok, good.counts.bad) == (10, 0)

        elsewhere = ("--penalties", "--sources", "2")
        told = loaded(*imap(one), *QUICK, "--rate", "4", "--wrong", "50", *elsewhere)
        assert told.counts.refused == 2
        until = time.monotonic() + 60  # auth tells anvil of a refusal after it has answered
        while "127.77.0." not in held_back():
            assert time.monotonic() < until
        assert "127.0.0.1" not in held_back()

        early = ("--warm-up", "0", "--rate", "2", "--duration", "60")
        told = loaded(*imap(one), *early, feed=STALE, status=1)
        assert "a password was refused" in told.ended
        assert told.counts.sent < 120


def test_an_interrupted_load_tells_what_it_did(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "passwd-file", USERS, SETTINGS) as one:
        readers = StatsReaders(one)
        before = readers.settled()
        words = ("load", *of_lab(one), "--rate", "300", "--duration", "60", "--wrong", "10", "--json")
        with subprocess.Popen(
            [sys.executable, "-m", "mailauth", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        ) as running:
            assert running.stdin
            assert running.stderr
            running.stdin.write(CSV)
            running.stdin.close()
            while "load:" not in running.stderr.readline():
                assert running.poll() is None
            running.send_signal(signal.SIGINT)
            told = running.stdout.read() if running.stdout else ""
            assert running.wait(60) == 130
        result = msgspec.json.decode(told, type=LoadResult)
        assert result.ended == "interrupted"
        counts, warm = result.counts, result.warm_up_counts
        assert counts.sent == counts.answered > 0
        after = readers.settled(before["requests"] + counts.answered + warm.answered)
        readers.close()
        assert counts.answered + warm.answered == after["requests"] - before["requests"]
        assert counts.ok + warm.ok == after["right"] - before["right"]


def test_a_proxy_needs_the_word_of_its_owner() -> None:
    """It listens on this machine, and the logins are another's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = ("--by", "imap", "--host", f"127.0.0.1:{server.getsockname()[1]}", "--users", "-")
        done = mailauth("load", *where, *QUICK, "--rate", "1", feed=CSV)
    assert (done.returncode, done.stdout) == (1, "")
    assert "listens there, not Dovecot, and may pass logins on to another machine; say --i-own" in done.stderr
