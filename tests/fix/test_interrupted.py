"""Interrupted, terminated or killed at any moment: everything is as it was, or can be put back so."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from mailauth.dovecot.doveadm import at_pid
from mailauth.fix import apply, journal
from mailauth.fix.journal import FixState
from mailauth.lab import Lab
from tests.cli.running import ROOT
from tests.fix.conftest import Fix, Labs, config_of
from tests.proofs.story import SECRET, MiB, argon2id

GOOD = argon2id(memory=1 * MiB)
CUT = GOOD[:60]

# Settings, a line changed where it stands, a mode, and the entry in the store: all kinds of change at once.
CHILD = """
import sys
from types import SimpleNamespace
from mailauth.finding import Edit, Remedy, StoreChange
from mailauth.fix import apply
from mailauth.remedies import RELOAD
from tests.fix.conftest import ready_with
pid, config, settings = sys.argv[1:]
text = "auth_debug = yes"
remedy = Remedy(
    "All.",
    config={"2.3": text, "2.4": text},
    file=config,
    edits=(Edit(settings, 1, "auth_debug = no", "auth_verbose = no"),),
    commands=(("chmod", "--", "a+x", settings), RELOAD),
    store=StoreChange.NEW_PASSWORD,
)
ready = ready_with(SimpleNamespace(master_pid=int(pid)), remedy, b"the new password")
ready = apply.with_string(ready, ready.target.password)
print("ready", flush=True)
ending = apply.apply(ready)
print(ending.state.value, ending.interrupted, flush=True)
"""

UNDO = """
import sys
from mailauth.dovecot.doveadm import at_pid
from mailauth.fix import apply
name, pid = sys.argv[1:]
dovecot = at_pid(int(pid), None)
print("ready", flush=True)
print(apply.undo(name, dovecot).state.value, flush=True)
"""


def start(lab: Lab) -> subprocess.Popen[str]:
    return begun(CHILD, str(lab.master_pid), str(lab.config), str(lab.settings_file))


def begun(*script: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", *script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
    )
    assert child.stdout
    assert child.stderr
    assert child.stdout.readline() == "ready\n", child.stderr.read()
    return child


def as_it_was(lab: Lab, before: object) -> None:
    """All files, the entry, no temporary file, and a service that answers."""
    assert config_of(lab) == before
    path = lab.store.path
    stored = path.read_text() if lab.driver == "passwd-file" and path else lab.store.users()["alice"]
    assert stored
    assert CUT in stored
    if path:
        names = {one.name for one in path.parent.iterdir()}
        assert not [name for name in names if "mailauth" in name or name.endswith(".lock")]
    if lab.driver == "passwd-file":
        time.sleep(1.1)
    assert lab.login("bob", SECRET).ok
    assert not lab.login("alice", b"the new password").ok


@pytest.mark.parametrize("killed", [False, True], ids=["interrupted", "killed"])
def test_at_any_moment(fix: Fix, lab: Labs, dovecot_version: str, killed: bool) -> None:
    """Seeded moments, from the first step to beyond the last; MAILAUTH_MOMENTS: how many.

    And once its journal is there, until that was in the middle.
    """
    seeded = random.Random(f"{dovecot_version} {killed}")  # noqa: S311 - which moments, again the same
    kind = "passwd-file" if dovecot_version.startswith("2.4") else "sqlite"
    middle = False
    with lab(dovecot_version, kind, {"alice": CUT, "bob": GOOD}, settings="auth_debug = no\n") as one:
        before = config_of(one)
        longest = 0.6
        for number in range(int(os.environ.get("MAILAUTH_MOMENTS", "5"))):
            child = start(one)
            began = time.monotonic()
            time.sleep(seeded.uniform(0.0, longest))
            middle |= end(one, child, killed=killed, number=number)
            longest = max(longest, min(time.monotonic() - began, 2.0))
            as_it_was(one, before)
        until = time.monotonic() + 60
        while not middle:
            assert time.monotonic() < until
            known = len(fix.journals)
            child = start(one)
            while len(fix.journals) == known and child.poll() is None:
                time.sleep(0.001)
            middle = end(one, child, killed=killed, number=0)
            as_it_was(one, before)


def end(one: Lab, child: subprocess.Popen[str], *, killed: bool, number: int) -> bool:
    """Interrupt or kill it, and take back what it has done, if it did not do so itself.

    Returns whether that was in the middle.
    """
    how = signal.SIGKILL if killed else (signal.SIGINT, signal.SIGTERM)[number % 2]
    child.send_signal(how)
    out, err = child.communicate(timeout=60)
    outside = "Interrupt" in err or child.returncode == -how  # before it began, or after its end
    assert outside or out in ("rolled back True\n", "applied False\n"), err
    with journal.alone():
        left = journal.killed()
    if left:
        assert killed
        assert apply.undo(left.id, at_pid(one.master_pid, None)).state is FixState.UNDONE
    elif applied := [each for each in journal.journals() if each.state is FixState.APPLIED]:
        assert apply.undo(applied[-1].id, at_pid(one.master_pid, None)).clean
    return bool(left) or out.startswith("rolled back")


@pytest.mark.usefixtures("fix")
def test_an_undo_that_is_killed(lab: Labs, dovecot_version: str) -> None:
    """At seeded moments: the next one says what stands, and ends it."""
    seeded = random.Random(f"undo {dovecot_version}")  # noqa: S311 - which moments, again the same
    kind = "passwd-file" if dovecot_version.startswith("2.4") else "sqlite"
    with lab(dovecot_version, kind, {"alice": CUT, "bob": GOOD}, settings="auth_debug = no\n") as one:
        before = config_of(one)
        longest = 0.3
        for _ in range(int(os.environ.get("MAILAUTH_MOMENTS", "3"))):
            out, err = start(one).communicate(timeout=120)
            assert out == "applied False\n", err
            (made,) = [each for each in journal.journals() if each.state is FixState.APPLIED]
            child = begun(UNDO, made.id, str(one.master_pid))
            began = time.monotonic()
            time.sleep(seeded.uniform(0.0, longest))
            child.kill()
            child.communicate(timeout=60)
            longest = max(longest, min(time.monotonic() - began, 2.0))
            (now,) = [each for each in journal.journals() if each.id == made.id]
            if now.state is not FixState.UNDONE:
                done = apply.undo(made.id, at_pid(one.master_pid, None))
                assert done.state is FixState.UNDONE, [(step.what, step.ok, step.said) for step in done.steps]
            as_it_was(one, before)


_HALF_WRITTEN = """
import os, signal, sqlite3, sys
link = sqlite3.connect(sys.argv[1], isolation_level=None)
link.execute("PRAGMA cache_size = 1")
link.execute("BEGIN")
link.execute("CREATE TABLE more (text)")
for _ in range(500):
    link.execute("UPDATE users SET password = 'half'")
    link.execute("INSERT INTO more VALUES (zeroblob(4000))")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.usefixtures("fix")
def test_an_undo_after_one_that_was_killed_as_sqlite_wrote(lab: Labs, dovecot_version: str) -> None:
    """What is half written has a journal that only who may write puts back."""
    with lab(dovecot_version, "sqlite", {"alice": CUT, "bob": GOOD}, settings="auth_debug = no\n") as one:
        before = config_of(one)
        out, err = start(one).communicate(timeout=120)
        assert out == "applied False\n", err
        (made,) = [each for each in journal.journals() if each.state is FixState.APPLIED]
        place = next(iter(one.folder.rglob("users.sqlite")))
        subprocess.run([sys.executable, "-c", _HALF_WRITTEN, str(place)], check=False)
        assert place.with_name(f"{place.name}-journal").stat().st_size
        done = apply.undo(made.id, at_pid(one.master_pid, None))
        assert done.state is FixState.UNDONE, [(step.what, step.ok, step.said) for step in done.steps]
        as_it_was(one, before)


def test_a_killed_fix_is_named_by_the_next(fix: Fix, lab: Labs) -> None:
    """And --undo needs no more than its name."""
    with lab(None, "sqlite", {"alice": argon2id(memory=256 * MiB), "bob": GOOD}) as one:
        before = config_of(one)
        pid = str(one.master_pid)
        until = time.monotonic() + 60
        while not (left := killed_after_its_journal(fix, pid)):  # it was done before we came to it
            assert time.monotonic() < until
            for each in journal.journals():
                if each.state is FixState.APPLIED:
                    fix.json("--undo", each.id, "--pid", pid)
        told = fix("MEM001", "alice", "--pid", pid, "--apply")
        assert (told.returncode, f"mailauth fix --undo {left}" in told.stderr) == (1, True), told.stderr
        back = fix("--undo", left, "-c", str(one.config))
        assert back.returncode == 0, back.stdout + back.stderr
        assert config_of(one) == before
        assert one.login("bob", SECRET).ok


def killed_after_its_journal(fix: Fix, pid: str) -> str:
    """Start a fix, and kill it once its journal is there: the name of it, "" where it had ended."""
    known = len(fix.journals)
    with subprocess.Popen(
        [sys.executable, "-m", "mailauth", "fix", "MEM001", "alice", "--pid", pid, "--apply"],
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        env=dict(os.environ),
    ) as child:
        while len(fix.journals) == known and child.poll() is None:
            time.sleep(0.001)
        child.kill()
    with journal.alone():
        left = journal.killed()
    return left.id if left else ""


def test_a_step_is_done_wholly() -> None:
    """A signal within one is heard at its end."""
    script = (
        "import os, signal\nfrom mailauth.fix.guard import Guard\nwith Guard() as guard:\n"
        "  with guard.held():\n    os.kill(os.getpid(), signal.SIGTERM)\n    print('whole')\n"
        "  print('next')\n"
    )
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout == "whole\n"
    assert "Interrupted" in done.stderr
