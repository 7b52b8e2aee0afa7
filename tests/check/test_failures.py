"""Failures are counted once each, from a log that is rotated in every way that there is."""

import bz2
import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailauth.check import logadded
from mailauth.check.asked import CheckRun, Server, Which
from mailauth.check.failures import check_failures
from mailauth.check.outcome import Outcome, Status
from mailauth.dovecot import conf
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import unread
from mailauth.dovecot.version import Version

# What Dovecot 2.3.19.1 and 2.4.1 write: tests/dovecot/test_logs.py.
MISMATCH = "auth: Info: passwd-file({user},192.0.2.1,<{n}>): Password mismatch"
UNKNOWN = "auth: Info: passwd-file({user},192.0.2.1,<{n}>): unknown user"
BROKEN = "auth: Error: sql({user},192.0.2.1,<{n}>): Password query failed: Not connected to database"
LEFT = (
    "imap-login: Info: Disconnected (auth failed, 1 attempts in 2 secs): user=<{user}>, method=PLAIN,"
    " rip=192.0.2.1, lip=192.0.2.2, session=<{n}>"
)


class Log:
    """A log file, and the check that reads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "dovecot.log"
        self.path.touch()
        (folder / "state").mkdir()
        config = unread(Refusal(Version.parse("2.3.19.1"), "dovecot.conf", "", "", 0, ""))
        tree = conf.parse(f"log_path = {self.path}\nauth_verbose = yes\n")
        asked = CheckRun(("failures",), Which(), folder, window=300.0)
        self.server = Server(asked, Installation(), replace(config, tree=tree), folder / "state")
        self.lines = 0

    def write(self, *texts: str, user: str = "alice", ago: float = 0.0, end: str = "\n") -> None:
        when = datetime.now().astimezone() - timedelta(seconds=ago)
        with self.path.open("a") as file:
            for text in texts:
                self.lines += 1
                file.write(f"{when:%b %d %H:%M:%S} {text.format(user=user, n=self.lines)}{end}")

    def run(self) -> Outcome:
        return check_failures(self.server, lambda _: None)

    def totals(self) -> dict[str, int]:
        found = self.run().metrics
        return {
            one.labels["reason"]: int(one.value) for one in found if one.name == "auth_failures" and one.value
        }


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_by_reason_and_each_once(log: Log) -> None:
    """Auth tells of a failure, and then the login process does; nobody is looked up by ourselves."""
    log.write(MISMATCH, LEFT, UNKNOWN, BROKEN, "auth: Info: passwd-file({user}): something new {n}")
    log.write(UNKNOWN, user="mailauth-nobody")
    wanted = {"password mismatch": 1, "unknown user": 1, "server error": 1}
    assert log.totals() == wanted
    assert log.totals() == wanted
    log.write(MISMATCH)
    assert log.totals() == {**wanted, "password mismatch": 2}


def test_the_first_run_looks_back_over_the_window_only(log: Log) -> None:
    log.write(MISMATCH, MISMATCH, ago=900)
    log.write(UNKNOWN, ago=60)
    assert log.totals() == {"unknown user": 1}


def test_a_line_that_is_half_written_is_read_when_it_is_whole(log: Log) -> None:
    log.write(MISMATCH)
    assert log.totals() == {"password mismatch": 1}
    log.write(MISMATCH, end="")
    assert log.totals() == {"password mismatch": 1}
    with log.path.open("a") as file:
        file.write("\n")
    assert log.totals() == {"password mismatch": 2}


def renamed(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.1"))


def copied(path: Path) -> None:
    """Logrotate's copytruncate: the same file goes on, empty."""
    shutil.copyfile(path, path.with_name(f"{path.name}.1"))
    path.write_bytes(b"")


def packed(path: Path) -> None:
    """At once, without delaycompress; with the date in its name."""
    path.with_name(f"{path.name}-20261123.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def packed_by_bzip2(path: Path) -> None:
    path.with_name(f"{path.name}.1.bz2").write_bytes(bz2.compress(path.read_bytes()))
    path.unlink()


@pytest.mark.parametrize("rotate", [renamed, copied, packed, packed_by_bzip2])
@pytest.mark.parametrize("more", [1, 40])
def test_a_rotation_between_two_runs(log: Log, rotate: Callable[[Path], None], more: int) -> None:
    """What came between the last run and the rotation counts, too; also when the new file is longer."""
    log.write(MISMATCH, MISMATCH)
    assert log.totals() == {"password mismatch": 2}
    log.write(UNKNOWN)
    rotate(log.path)
    log.write(*[BROKEN] * more)
    wanted = {"password mismatch": 2, "unknown user": 1, "server error": more}
    assert log.totals() == wanted
    assert log.totals() == wanted


@pytest.mark.parametrize(("first", "meanwhile"), [(True, "written"), (False, "written"), (False, "renamed")])
def test_what_comes_while_a_run_reads_is_for_the_next(
    log: Log, monkeypatch: pytest.MonkeyPatch, first: bool, meanwhile: str
) -> None:
    """Neither lost nor counted twice, also when the log is rotated at that moment."""
    end_of, wanted = logadded._end_of, {"password mismatch": 1}
    log.write(MISMATCH)
    if not first:
        assert log.totals() == wanted
        log.write(BROKEN)
        wanted["server error"] = 1

    def interrupted(*words: Any) -> Any:
        end = end_of(*words)
        if meanwhile == "renamed":
            renamed(log.path)
        log.write(UNKNOWN, UNKNOWN)
        return end

    with monkeypatch.context() as patched:
        patched.setattr(logadded, "_end_of", interrupted)
        assert log.totals() == wanted
    wanted["unknown user"] = 2
    assert log.totals() == wanted
    assert log.totals() == wanted


def test_a_log_that_went_away_comes_back(log: Log) -> None:
    log.write(MISMATCH)
    assert log.totals() == {"password mismatch": 1}
    log.path.unlink()
    away = log.run()
    assert (away.status, "there is no such file" in away.says) == (Status.WARNING, True)
    log.write(UNKNOWN)
    assert log.totals() == {"password mismatch": 1, "unknown user": 1}


def test_the_rate_is_of_the_window(log: Log) -> None:
    """Hundreds at once are CRITICAL; what is kept is damaged or gone: counting begins anew."""
    assert log.run().status is Status.OK
    log.write(*[MISMATCH] * 3500)
    found = log.run()
    assert found.status is Status.CRITICAL
    assert "3500 password mismatch" in found.says
    kept = log.server.state / "failures.json"
    kept.write_bytes(kept.read_bytes()[:-20])
    assert log.run().status is Status.CRITICAL
    kept.unlink()
    log.path.write_bytes(b"")
    assert log.run().status is Status.OK


def test_a_console_cannot_be_read_again(log: Log) -> None:
    """A container's log: WARNING, with what is wrong; never a claim that there are no failures."""
    tree = conf.parse("log_path = /dev/stderr\n")
    log.server = replace(log.server, config=replace(log.server.config, tree=tree))
    found = log.run()
    assert found.status is Status.WARNING
    assert "cannot be read again" in found.says
    assert found.metrics == []
