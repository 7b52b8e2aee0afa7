"""Whoever reads what a fix says goes away in the middle: a closed pipe, a terminal that hung up."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from mailauth.fix import journal
from mailauth.lab import Lab
from tests.cli.running import ROOT
from tests.fix.conftest import Fix, Labs, config_of
from tests.proofs.story import SECRET, MiB, argon2id

GOOD = argon2id(memory=1 * MiB)
BIG = argon2id(memory=256 * MiB)


def begun(lab: Lab, stderr: int) -> subprocess.Popen[bytes]:
    words = ("fix", "MEM001", "alice", "--pid", str(lab.master_pid), "--apply")
    return subprocess.Popen(
        [sys.executable, "-m", "mailauth", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm"},
        start_new_session=True,
    )


@pytest.mark.parametrize("how", ["pipe", "terminal"])
def test_nobody_reads_on(fix: Fix, lab: Labs, how: str) -> None:
    """It is applied wholly, or all is as it was: nothing is left half done."""
    with lab(None, "sqlite", {"alice": BIG, "bob": GOOD}) as one:
        before = config_of(one)
        reader, writer = os.pipe() if how == "pipe" else pty.openpty()
        with begun(one, writer) as child:
            os.close(writer)
            while not fix.journals:
                assert child.poll() is None
                time.sleep(0.001)
            os.close(reader)
            if how == "terminal":
                child.send_signal(signal.SIGHUP)
            child.wait(120)
        with journal.alone():
            assert journal.killed() is None
        (made,) = journal.journals()
        assert (config_of(one) == before) is (made.state is not journal.FixState.APPLIED)
        assert one.login("bob", SECRET).ok


def test_a_migration_is_asked_to_stop() -> None:
    """The words for that are heard by nobody, and it stops after its batch all the same."""
    script = (
        "import os, signal\nfrom mailauth.cli.migrate_stop import Stop\nreader, writer = os.pipe()\n"
        "os.dup2(writer, 2)\nos.close(writer)\nos.close(reader)\nwith Stop() as stop:\n"
        "  signal.raise_signal(signal.SIGTERM)\n  print(stop.asked())\n"
    )
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout == "True\n"
