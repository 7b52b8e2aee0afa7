"""DB009: databases and passwd-files that are away, locked or closed to the service."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailauth.lab import Lab
from tests.proofs.story import Fault
from tests.proofs.test_db import GOOD, Do, Make, settings


def move(old: Path, new: Path) -> Do:
    def run(lab: Lab) -> None:
        del lab
        old.rename(new)

    return run


def test_db009_no_such_folder(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    folder = told.lab.folder / "sqlite"
    away = folder.with_name("away")
    fault = Fault(
        name="SQLite file missing",
        do=move(folder, away),
        undo=move(away, folder),
    )
    told.story(fault, {"DB009"}, answers=[False])


def test_db009_locked(proof: Make, dovecot_version: str) -> None:
    """Another program holds the lock for longer than Dovecot waits."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    holder: list[subprocess.Popen[bytes]] = []

    def lock(lab: Lab) -> None:
        lab.stop()  # 2.4.5's workers have the file open, and would not let the lock be taken
        one = subprocess.Popen([sys.executable, "-c", _LOCK, str(lab.store.path)], stdout=subprocess.PIPE)
        holder.append(one)
        assert one.stdout
        assert one.stdout.readline() == b"locked\n"
        lab.restart()

    def unlock(lab: Lab) -> None:
        del lab
        while holder:
            with holder.pop() as one:
                one.kill()

    fault = Fault(name="SQLite file locked", do=lock, undo=unlock)
    try:
        found = told.story(fault, {"DB009"}, answers=[False])
    finally:
        unlock(told.lab)
    assert "SQLITE_BUSY" in found[0].problem.says


# In a process of its own: the system takes a process's locks away as soon as it closes the file once.
_LOCK = """
import sqlite3, sys, time
link = sqlite3.connect(sys.argv[1], isolation_level=None)
link.execute("PRAGMA locking_mode = EXCLUSIVE")  # or readers of a write-ahead log, which 2.4.5 has, go on
link.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(60)
"""


def test_db009_no_database(proof: Make, dovecot_version: str) -> None:
    """The path is that of something else."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    other = told.lab.folder / "sqlite" / "notes.txt"
    other.write_text("This is no database, however long it is read.\n" * 30)
    right = str(told.lab.store.path)
    fault = Fault(
        name="SQLite path of another file",
        do=settings(right, str(other)),
        undo=settings(str(other), right),
    )
    told.story(fault, {"DB009"}, answers=[False])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the service as another user")
def test_db009_unreadable_to_the_service(proof: Make, dovecot_version: str) -> None:
    """Root can read the file, the user that auth-worker is set to cannot; mailauth asks as that user."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    path = told.lab.store.path
    assert path
    as_user = "service auth-worker {\n  user = $default_internal_user\n}\n"
    if told.lab.dialect == "2.4":
        as_user = as_user.replace("$default", "$SET:default")
    fault = Fault(
        name="SQLite file unreadable to auth-worker",
        settings=as_user,
        do=lambda _: path.chmod(0o600),
        undo=lambda _: path.chmod(0o660),
    )
    found = told.story(fault, {"DB009"}, answers=[False])
    assert "EACCES" in found[0].problem.says


def test_db009_no_passwd_file(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    right = str(told.lab.store.path)
    fault = Fault(
        name="passwd-file missing", do=settings(right, f"{right}.new2"), undo=settings(f"{right}.new2", right)
    )
    told.story(fault, {"CONF015"}, answers=[False])
