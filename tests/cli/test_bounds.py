"""Whatever others write: memory stays below a bound, time too, and it is said what was not looked at."""

import gzip
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from mailauth.clients.door import Answer, Door
from mailauth.clients.talk import converse
from mailauth.dovecot.authconfig import SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.errors import CannotObserve
from mailauth.hashes import Password, Verdict, parse
from mailauth.hashes.allowance import Allowance, allowed
from mailauth.hashes.hash import Hash, Limits
from mailauth.hashes.interruptible import verify_hash
from mailauth.lab import Lab, builds
from mailauth.stores import sql
from tests.cli import bad_rows
from tests.cli.running import ROOT

MiB = 1024 * 1024
LONG = 150 * MiB  # bytes of a line
MOST = 110 * MiB  # bytes of memory that a command may take, and far below a line's length
STAMP = b"Nov 29 12:00:00 auth: Info: "
FAILED = (
    b"Nov 23 14:58:19 auth(alice,10.0.0.1,sasl:plain)<x>: Info: passwd-file: Password mismatch"
    b" (SHA1 of given password: ab1234)\n"
)
FROM_LOG = ("log", "--since", "all", "--json", "--log")
HASH = "1nVZjAvCYrkjThR+x5rgMw$MqA4NI3mcy37IHZJYc5kTm2afhHX1GO34jNkTk6UQJ4"


_MEASURE = """
import os, subprocess, sys
ran = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(ran.pid, 0)
open(sys.argv[1], "w").write(str(used.ru_maxrss * 1024))
"""


def peak(*words: str, feed: BinaryIO | None = None) -> tuple[str, str, int]:
    """What a command says, and the most memory (bytes) that it, or one of its children, took.

    A small process starts it: what whoever starts a program has itself counts for that, too (getrusage(2)).
    """
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        tempfile.NamedTemporaryFile("r") as most,
    ):
        argv = [sys.executable, "-c", _MEASURE, most.name, sys.executable, "-m", "mailauth", *words]
        subprocess.run(argv, stdin=feed or subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT, check=True)
        out.seek(0)
        err.seek(0)
        return out.read(), err.read(), int(most.read())


def write_long(path: Path, before: bytes, after: bytes) -> Path:
    """A file with one very long line, which takes no room on the disk."""
    with path.open("wb") as file:
        file.write(before)
        file.seek(LONG, os.SEEK_CUR)
        file.write(b"\n" + after)
    return path


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("long") / "mail.log"
    yield write_long(path, STAMP, FAILED)
    path.unlink()


def test_a_log_line_without_end(long_log: Path) -> None:
    for name in (str(long_log), "-"):
        with long_log.open("rb") as feed:
            out, err, most = peak(*FROM_LOG, name, feed=feed)
        assert err == ""
        told = json.loads(out)
        assert told["failures"] == 1
        assert any("not looked at: 1" in note for note in told["notes"])
        assert most < MOST


def test_a_packed_log_that_has_no_end(tmp_path: Path) -> None:
    path = tmp_path / "mail.log.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(LONG // MiB):
            file.write(b"a" * MiB)
        file.write(b"\n" + FAILED)
    out, _, most = peak(*FROM_LOG, str(path))
    assert json.loads(out)["failures"] == 1
    assert most < MOST


def test_reading_ends_in_time_and_says_where() -> None:
    """A pipe that never ends; the clock is looked at in a long line and between short ones."""
    for feed, status in (("head -c 100000000000 /dev/zero", 3), (f"yes '{FAILED.decode().strip()}'", 1)):
        script = f"{feed} | timeout 60 {sys.executable} -m mailauth log --log - --max-seconds 1"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
        assert "it ended in standard input after" in done.stdout, feed
        assert done.returncode == status, feed


def test_a_line_of_a_passwd_file_without_end(tmp_path: Path) -> None:
    path = write_long(tmp_path / "passwd", b"mallory:{PLAIN}", b"bob:{PLAIN}secret::::::\n")
    for words, says in (
        (["audit", "--url", f"passwd-file:{path}", "--dovecot", "2.4.1"], "lines that were not judged: 1"),
        (["migrate", "plan", "--mend", "--url", f"passwd-file:{path}", "--dovecot", "2.4.1"], "not judged"),
    ):
        out, err, most = peak(*words)
        assert err == ""
        assert says in out
        assert f"{path}:1: the line has {LONG + 16} bytes" in out
        assert most < MOST


def test_very_many_bad_rows(tmp_path: Path) -> None:
    """Each is bad in a way of its own; a million of them: bench/bad_rows.py."""
    path = tmp_path / "users"
    bad_rows.write(path, 30_000)
    limit = ("--url", f"passwd-file:{path}", "--dovecot", "2.4.1", "--max-seconds", "1")
    out, _, most = peak("migrate", "plan", "--mend", *limit)
    assert "--max-seconds" in out
    assert most < MOST


ARGON2 = "{ARGON2ID}$argon2id$v=19$m=%d,t=%d,p=1$" + HASH


@pytest.fixture(scope="module")
def bench() -> Iterator[Lab]:
    """Two users without a limit of memory: one's line is long, the other's hash takes 1.5 GiB and minutes."""
    users = {
        "bob": f"{{PLAIN}}secret:::{'x' * 3 * MiB}:::",
        "slow": ARGON2 % (1536 * 1024, 60),
    }
    here = builds.installed()
    none = "0" if here and here.version.dialect == "2.3" else "unlimited"
    with Lab(users=users, settings=f"default_vsz_limit = {none}\n") as lab:
        yield lab


def diagnosed(lab: Lab, user: str, password: bytes) -> tuple[str, int]:
    with tempfile.TemporaryFile() as given:
        given.write(password)
        given.seek(0)
        out, _, most = peak("diagnose", user, "-c", str(lab.config), "--password-stdin", feed=given)
    return out, most


def test_a_user_whose_line_is_too_long(bench: Lab) -> None:
    """Dovecot reads it and lets the user in; mailauth claims nothing."""
    assert bench.login("bob", b"secret").ok
    out, most = diagnosed(bench, "bob", b"secret")
    assert "BLOCKS" not in out
    assert "are read of one, and was not judged" in out
    assert most < MOST


def test_a_log_of_dovecots_with_a_line_without_end(bench: Lab) -> None:
    with (bench.folder / "log").open("ab") as file:
        file.write(STAMP + b"auth-worker(bob,10.0.0.1): master: conn unix:" * (8 * MiB // 45) + b"\n")
    out, most = diagnosed(bench, "bob", b"secret")
    assert "BLOCKS" not in out
    assert most < MOST


def test_a_hash_that_takes_all(bench: Lab) -> None:
    """It is not computed, that is said, and so is what would compute it."""
    out, most = diagnosed(bench, "slow", b"secret")
    told = " ".join(out.split())
    assert "MiB, more than the 1280 MiB allowed here (--max-memory and --max-seconds raise it)" in told
    assert most < MOST


def test_all_tries_together_have_an_end() -> None:
    slow = parse((ARGON2 % (64 * 1024, 40)).encode(), default_scheme=None)
    assert isinstance(slow, Hash)
    allowance = Allowance(Limits(seconds=60), 0.2, " (more)")
    with allowed(allowance):
        first = verify_hash(slow, Password.of("x"))
        assert first.verdict in (Verdict.MISMATCH, Verdict.UNSUPPORTED)
        second = verify_hash(slow, Password.of("x"))
    assert second.verdict is Verdict.UNSUPPORTED
    assert second.reason.endswith("0 s are allowed (more)")


def test_a_plan_ends_in_time_and_says_after_how_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    with path.open("w") as file:
        file.writelines(f"user{i}:{{SSHA256}}?{i}{'x' * (i % 40)}::::::\n" for i in range(20_000))
    words = ("--mend", "--url", f"passwd-file:{path}", "--dovecot", "2.4.1", "--max-seconds", "1")
    out, err, most = peak("migrate", "plan", *words)
    assert err == ""
    assert "Time was up after" in out
    assert most < MOST


def test_what_is_asked_in_a_child_has_a_bound() -> None:
    """As a database's answer; the largest that fits comes through."""
    here = Installation()
    assert here.inside(lambda: len(bytearray(64 * MiB)), environment={}) == 64 * MiB
    with pytest.raises(CannotObserve, match="takes more than 512 MiB of memory"):
        here.inside(lambda: len(bytearray(1024 * MiB)), environment={})


def test_a_child_that_asks_runs_no_program() -> None:
    def run() -> int:
        try:
            return subprocess.run(["/bin/true"], check=False).returncode
        except OSError:
            return -1

    assert Installation().inside(run, environment={}) == -1


def test_a_value_that_is_too_large(tmp_path: Path) -> None:
    """Dovecot takes it, so that nothing is claimed of it."""
    path = tmp_path / "users.sqlite"
    with closing(sqlite3.connect(path)) as link:
        link.execute("CREATE TABLE users (user TEXT, password TEXT)")
        link.execute("INSERT INTO users VALUES ('bob', ?)", ("{PLAIN}" + "x" * 20 * MiB,))
        link.commit()
    source = SqlSource("sqlite", ({"path": str(path)},), "SELECT password FROM users", "a test")
    with pytest.raises(CannotObserve, match="too big"):
        sql.ask(source, lambda _: source.query)


@pytest.mark.parametrize("protocol", ["imap", "pop3", "submission", "sieve"])
def test_a_server_whose_answer_does_not_end(protocol: str) -> None:
    more = {"imap": b"* OK x\r\n", "pop3": b"A\r\n", "submission": b"220-x\r\n", "sieve": b'"A"\r\n'}
    begin = {**more, "pop3": b"+OK x\r\n+OK y\r\n"}
    with socket.create_server(("127.0.0.1", 0)) as server:

        def flood() -> None:
            link, _ = server.accept()
            with link, suppress(OSError):
                link.sendall(begin[protocol])
                for _ in range(100_000):
                    link.sendall(more[protocol] * 100)

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        door = Door(protocol, "127.0.0.1", server.getsockname()[1], "plain", timeout=60.0)
        told = converse(door, None, "", b"")
        thread.join()
    assert told.answer in (Answer.BROKEN, Answer.TEMPORARY)
    assert "within" not in told.said
