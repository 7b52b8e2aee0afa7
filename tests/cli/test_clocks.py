"""Clocks from 1970 to 2099, and ones that were set in between: journals, undo, states, and a log's years.

Only mailauth has the other clock; files keep their own stamps, and Dovecot its clock.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.check.conftest import PATIENT
from tests.cli.running import ROOT
from tests.proofs.story import SECRET, MiB, argon2id

BEGINNING = "1970-01-01 00:00:05"
SIGNED = "2038-01-19 03:14:07"  # the last second that 32 bits with a sign can count
END = "2099-12-31 23:59:50"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def at(tmp_path: Path) -> Run:
    """``at(clock, words, ...)``: mailauth, begun at that time of UTC."""

    def run(clock: str, *words: str) -> subprocess.CompletedProcess[str]:
        off = datetime.fromisoformat(f"{clock}+00:00") - datetime.now(UTC)
        done = subprocess.run(
            [sys.executable, "-m", "tests.cli.shifted", str(off.total_seconds()), *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"TZ": "UTC", "MAILAUTH_STATE": str(tmp_path / "state")},
            cwd=ROOT,
        )
        assert done.returncode != 70, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.mark.parametrize(("forth", "back"), [(BEGINNING, END), (END, BEGINNING)])
def test_a_migration_is_taken_back_by_any_clock(at: Run, tmp_path: Path, forth: str, back: str) -> None:
    users = tmp_path / "users"
    bare = generate("BLF-CRYPT", Password(SECRET), cost=4).removeprefix("{BLF-CRYPT}")
    users.write_text(f"alice:{bare}\nbob:{bare}\n")
    before = users.read_bytes()
    store = ("--url", f"passwd-file:{users}")
    done = at(forth, "migrate", "apply", "--prefix", *store, "--apply", "--json")
    assert done.returncode == 0, done.stderr
    assert users.read_text() == f"alice:{{BLF-CRYPT}}{bare}\nbob:{{BLF-CRYPT}}{bare}\n"
    name = json.loads(done.stdout)["id"]
    assert name.startswith(forth[:10].replace("-", ""))
    assert f"{forth[:16]} UTC" in at(SIGNED, "migrate", "status").stdout
    undone = at(back, "migrate", "undo", name, *store, "--apply", "--json")
    assert json.loads(undone.stdout)["report"]["written"] == 2, undone.stderr
    assert users.read_bytes() == before


@pytest.mark.parametrize(
    ("clock", "last"),
    [
        (BEGINNING, "1969-12-31 23:59:58"),
        (SIGNED, "2037-12-31 23:59:58"),
        ("2096-03-01 00:00:00", "2096-02-29 00:00:01"),
        ("2097-01-15 00:00:00", "2096-02-29 00:00:01 to 2096-12-31 23:59:58"),
        ("2099-06-01 00:00:00", "2098-12-31 23:59:58"),
    ],
)
def test_a_log_without_years_gets_the_last_that_it_can_be(
    at: Run, tmp_path: Path, clock: str, last: str
) -> None:
    """A leap day of a year that has none is no date, and is still a failure."""
    log = tmp_path / "log"
    says = "host dovecot: auth: passwd-file(alice,192.0.2.1,<a>): Password mismatch"
    log.write_text(f"Feb 29 00:00:01 {says}\nDec 31 23:59:58 {says}\n")
    told = at(clock, "log", "--log", str(log), "--since", "400d").stdout
    assert "2 failed logins" in told
    assert "1 address; 0 logins worked" in told
    assert last in told


def test_a_fix_is_taken_back_by_any_clock(at: Run, lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "sqlite", {"alice": argon2id(memory=256 * MiB)}) as one:
        before, pid = one.config.read_bytes(), ("--pid", str(one.master_pid))
        done = at(BEGINNING, "fix", "MEM001", "alice", *pid, "--apply", "--json")
        told = json.loads(done.stdout)
        assert told["state"] == "applied", done.stderr
        assert told["id"].startswith("19700101-")
        assert one.login("alice", SECRET).ok
        assert json.loads(at(END, "fix", "--undo", told["id"], *pid, "--json").stdout)["state"] == "undone"
        assert one.config.read_bytes() == before


def test_a_state_of_the_future_is_not_believed(at: Run, lab: Callable[..., Lab], tmp_path: Path) -> None:
    """Rows are counted again where the clock went back, and no check takes a wrong age for a fault."""
    with lab(None, "sqlite", {"alice": argon2id(memory=4 * MiB)}) as one:
        words = ("-c", str(one.config), "--state", str(tmp_path / "kept"), *PATIENT[:2])
        for clock in (END, BEGINNING, SIGNED):
            done = at(clock, "check", "rows", "failures", "headroom", *words, "--format", "json")
            told = json.loads(done.stdout)
            assert done.returncode == 0, told
            assert not re.search(r"counted (?!\d s ago)", done.stdout), clock
