"""Nothing of a lab is left, however its caller ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mailauth.errors import CannotObserve
from mailauth.lab import Postgres
from mailauth.lab.household import Household, Start

STORES = ("passwd-file", "mysql", "pgsql", "ldap")
CALLER = """
import os, sys, time
from mailauth.lab import Lab
with Lab(store=sys.argv[1], users={"alice": "{PLAIN}secret"}, dovecot=sys.argv[2] or None) as lab:
    if sys.argv[3] == "fork" and os.fork() == 0:
        time.sleep(300)  # holds the caller's descriptors, and outlives it
    assert lab.login("alice", b"secret").ok
    print(lab.folder, lab.master_pid, flush=True)
    time.sleep(300)
"""


def traces(folder: str) -> list[str]:
    """What there is of a household: processes that name its folder, and the folder."""
    return ([folder] if Path(folder).exists() else []) + [str(pid) for pid in running(folder)]


def running(folder: str) -> set[int]:
    """The processes that name a folder."""
    processes = psutil.process_iter(["cmdline", "pid"])
    return {p.info["pid"] for p in processes if any(folder in word for word in p.info["cmdline"] or [])}


def gone(*what: str) -> bool:
    """Whether all traces vanish within 60 s."""
    deadline = time.monotonic() + 60
    while any(traces(one) for one in what):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def segments(makers: set[int]) -> list[str]:
    """System V shared memory that these processes made: it may outlive them."""
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return [row[1] for row in rows if int(row[4]) in makers]  # shmid by cpid


@pytest.mark.parametrize("store", STORES)
def test_sigkill_of_the_caller_leaves_nothing(store: str, dovecot_version: str) -> None:
    end(signal.SIGKILL, store, dovecot_version)


def test_sigterm_of_the_caller_leaves_nothing() -> None:
    end(signal.SIGTERM, "passwd-file", "")


def test_a_fork_that_outlives_the_caller_does_not_keep_the_lab_alive() -> None:
    end(signal.SIGKILL, "passwd-file", "", "fork")


def end(how: signal.Signals, store: str, version: str, fork: str = "") -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CALLER, store, version, fork],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as caller:
        assert caller.stdout
        folder, master = caller.stdout.readline().split()
        others = [str(path) for path in Path(folder).parent.glob("mailauth-*") if _of(path, caller.pid)]
        assert folder in others
        assert traces(folder)
        family = {pid for one in others for pid in running(one)}
        assert bool(segments(family)) == (store == "pgsql")
        caller.send_signal(how)
        try:
            assert gone(*others)
            assert not segments(family)
            assert not psutil.pid_exists(int(master))
        finally:
            os.killpg(caller.pid, signal.SIGKILL)


def _of(folder: Path, caller: int) -> bool:
    """Whether a household is that caller's: its keeper says so."""
    return any(
        [str(caller), str(folder)] == (process.info["cmdline"] or [])[-2:]
        for process in psutil.process_iter(["cmdline"])
    )


def test_a_daemon_that_leaves_its_parent_is_found_and_ended() -> None:
    household = Household("test")
    folder = household.folder
    daemonise = f"sleep 600 & echo $! > {folder}/new; mv {folder}/new {folder}/pid"
    script = f"setsid sh -c '{daemonise}' & sleep 600"
    household.start(Start(argv=["/bin/sh", "-c", script], output=Path("/dev/null")))
    file = folder / "pid"
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    daemon = int(file.read_text())
    assert psutil.pid_exists(daemon)
    household.close()
    assert not psutil.pid_exists(daemon)
    assert not folder.exists()


def test_a_program_that_is_not_there_is_told_in_one_sentence() -> None:
    household = Household("test")
    with pytest.raises(CannotObserve, match=r"^Cannot start .*: /no/such: No such file or directory\.$"):
        household.start(Start(argv=["/no/such"], output=Path("/dev/null")))
    household.close()


def test_a_cache_that_may_not_be_written_is_done_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "databases").write_text("a file where the folder would be: not even root can use it")
    monkeypatch.setenv("MAILAUTH_CACHE", str(tmp_path))
    with Postgres() as server:
        server.execute("SELECT 1")
