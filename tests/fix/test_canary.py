"""No secret of a fix anywhere: not in output, logs, argv, environments, nor in files that others can read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import ROOT, mailauth
from tests.cli.test_canary import CANARY, HOOKED, STORED, clean, watching
from tests.fix.conftest import Fix, Labs

CUT = STORED[:-10]
NEW = CANARY + b"-new"


# Each dialect and each store; the slow test does not need every pair of them.
@pytest.mark.parametrize("kinds", [("sqlite", "passwd-file"), ("pgsql", "mysql")])
def test_a_new_password_leaves_no_trace(
    fix: Fix, lab: Labs, dovecot_version: str, kinds: tuple[str, str], tmp_path: Path
) -> None:
    """Look, ask, hash, write, log in, take back: as text on one Dovecot, as JSON on the other."""
    store = kinds[dovecot_version.startswith("2.4")]
    form = ("--json",) if dovecot_version.startswith("2.4") else ()
    notes = tmp_path / "notes"
    with lab(dovecot_version, store, {"alice": CUT}) as one, watching() as watch:
        pid = str(one.master_pid)
        told = mailauth("diagnose", "alice", "--pid", pid).stdout
        code = next(word for line in told.splitlines() for word in line.split() if word.startswith("HASH"))
        words = ["fix", code, "alice", "--pid", pid, "--apply", "--password-fd", "0", *form]
        done = subprocess.run(
            [sys.executable, "-c", HOOKED, str(notes), *words],
            input=NEW + b"\n",
            capture_output=True,
            check=False,
            cwd=ROOT,
            env=dict(os.environ),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert one.login("alice", NEW).ok
        path = one.store.path
        text = path.read_text() if store == "passwd-file" and path else (one.store.users()["alice"] or "")
        made = text.strip().rpartition("$")[2].encode()
        log = one.log().encode()
        assert len(made) > 20
        readable = [
            each for each in (*one.folder.rglob("*"), *fix.state.rglob("*"))
            if each.is_file() and each.stat().st_mode & 0o004 and made in each.read_bytes()
        ]  # fmt: skip
        assert not readable
    for said in (done.stdout, done.stderr, log, notes.read_bytes()):
        assert clean(said)
        assert made not in said
    assert watch.leaks == set()
    assert b"doveconf" in notes.read_bytes()
    (kept,) = fix.journals
    assert CANARY not in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0
