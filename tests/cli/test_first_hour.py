"""What a new administrator types first: commands that run as they are printed, and what is not looked at."""

import os
import pty
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.lab import Lab
from mailauth.lab.stores import SqlStore
from tests.cli.running import ORDINARY, ROOT, for_all_users, mailauth
from tests.proofs.story import SECRET, MiB, argon2id

GOOD = argon2id(memory=1 * MiB)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="to become an ordinary user, one must be root")


def printed(text: str, command: str) -> list[str]:
    """The words of a command, as it stands in a text: on a line of its own."""
    found = re.search(rf"mailauth ({command} .*)", text)
    assert found, text
    return shlex.split(found[1])


def test_what_is_printed_runs(lab: Callable[..., Lab], dovecot_version: str, tmp_path: Path) -> None:
    """STORE001 names a plan that runs, and the plan the apply that does it; on-login shows what it writes."""
    state = str(tmp_path / "state")
    users = {"alice": GOOD + "\r", "bob": GOOD, "carol": GOOD[:50]}
    with lab(dovecot_version, "sqlite", users) as one:
        pid = ("--pid", str(one.master_pid))
        assert not one.login("alice", SECRET).ok
        told = mailauth("checkup", *pid)
        assert "STORE001" in told.stdout
        plan = mailauth(*printed(told.stdout, "migrate plan"), MAILAUTH_STATE=state)
        assert plan.returncode == 1, plan.stderr
        assert "1 row would be changed, and none was." in plan.stdout
        done = mailauth(*printed(plan.stdout, "migrate apply"), MAILAUTH_STATE=state)
        assert done.returncode == 1, done.stderr  # carol's is broken, and is left
        assert one.login("alice", SECRET).ok
        again = mailauth(*printed(told.stdout, "migrate plan"), MAILAUTH_STATE=state)
        assert "0 rows would be changed." in again.stdout
        assert "--apply" not in again.stdout
        shown = mailauth("migrate", "on-login", "enable", *pid, MAILAUTH_STATE=state)
        assert "auth_policy_server_url = http://127.0.0.1:" in shown.stdout, shown.stderr
        assert "auth_policy_hash_nonce = ..." in shown.stdout
        assert not re.search(r"[0-9a-f]{16}", shown.stdout)


def test_another_version_has_the_same_limits(lab: Callable[..., Lab]) -> None:
    """--as-if judges memory: what does not fit today does not fit after the upgrade."""
    with lab("2.4.1", "sqlite", {"alice": argon2id(memory=256 * MiB)}) as one:
        assert not one.login("alice", SECRET).ok
        told = mailauth("checkup", "--as-if", "2.4.5", "--pid", str(one.master_pid))
        assert "STORE004" in told.stdout, told.stdout
        assert "mailauth fix" not in told.stdout
        assert told.returncode == 1
        words = ("alice", "--password-stdin", "--pid", str(one.master_pid))
        login = mailauth("login", *words, feed=SECRET)
        assert "verifying it takes 256.5 MiB, for which vsz_limit must leave room" in " ".join(
            login.stdout.split()
        )
        judged = mailauth("diagnose", *words, feed=SECRET)
        assert "MEM001" in judged.stdout
        assert "no password" not in judged.stdout
        one.set_password("alice", GOOD)
        away = mailauth("login", *words, "--smtp", "nosuch.invalid:25", feed=SECRET)
        assert "FIRST TO DISAGREE  name of the host (smtp)" in away.stdout, away.stdout
        healthy = mailauth("diagnose", *words, feed=SECRET)
        assert healthy.returncode == 0
        assert "no password" not in healthy.stdout


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_plan_needs_no_primary_key(lab: Callable[..., Lab], kind: str) -> None:
    """The table of Dovecot's own manual has none: the plan says what apply wants, and that is enough."""
    query = "SELECT userid AS user, password FROM users WHERE userid = '%u'"
    with lab("2.3.19.1", kind, {"alice": GOOD + "\r", "bob": GOOD}, query=query) as one:
        assert isinstance(one.store, SqlStore)
        drop = "DROP PRIMARY KEY" if kind == "mysql" else "DROP CONSTRAINT users_pkey"
        one.store.execute(f"ALTER TABLE users {drop}")
        pid = ("--pid", str(one.master_pid))
        plan = mailauth("migrate", "plan", "--mend", *pid)
        assert plan.returncode == 1, plan.stderr
        assert "2 rows" in plan.stdout
        assert "1 row would be changed" in plan.stdout
        sentence = re.search(r"ALTER TABLE .*;", plan.stdout)
        assert sentence, plan.stdout
        refused = mailauth("migrate", "apply", "--mend", *pid, "--apply")
        assert refused.returncode == 1
        assert sentence[0] in refused.stderr
        one.store.execute(sentence[0])
        assert "ALTER TABLE" not in mailauth("migrate", "plan", "--mend", *pid).stdout


def by_an_ordinary_user(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [*ORDINARY, sys.executable, "-B", "-m", "mailauth", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )


@as_root
def test_what_needs_rights_says_so(lab: Callable[..., Lab]) -> None:
    """A report in which nothing was read, and a list of migrations without those of root."""
    for_all_users()
    with lab("2.3.19.1", "passwd-file", {"alice": GOOD}) as one:
        one.config.chmod(0o600)
        home = one.folder / "mail"  # one that anybody may write into
        home.chmod(0o777)
        file = home / "report.html"
        done = by_an_ordinary_user(home, "report", "-c", str(one.config), "-o", str(file))
        assert done.returncode == 3, done.stderr
        assert f"not looked at: server: {one.config}: cannot be read" in done.stdout
        assert "sudo mailauth report" in done.stdout
        Path("/var/lib/mailauth").mkdir(mode=0o700, exist_ok=True)
        listed = by_an_ordinary_user(home, "migrate", "status")
        assert listed.returncode == 3, listed.stderr
        assert "not looked at: /var/lib/mailauth; run: sudo mailauth migrate status" in listed.stderr
    closed = mailauth("migrate", "status", MAILAUTH_STATE="/proc/1/none")
    assert closed.returncode == 0
    assert "No migration is kept in /proc/1/none/migrate" in closed.stdout


_WAITS = (
    "import sys\nfrom mailauth.cli.shared import patience\npatience.DELAY = 0.0\n"
    "with patience.patience('verifying'):\n    sys.stdin.readline()\n"
)


def test_a_long_answer_shows_that_it_is_waited_for() -> None:
    """On a terminal, and nowhere else."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", _WAITS]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=theirs, text=True, cwd=ROOT) as one:
        seen, until = "", time.monotonic() + 60
        while "verifying: 0 s" not in seen:
            assert time.monotonic() < until, seen
            if select.select([ours], [], [], 1.0)[0]:
                seen += os.read(ours, 1024).decode()
        one.communicate("\n")
    os.close(ours)
    os.close(theirs)
    assert one.returncode == 0
    quiet = subprocess.run(words, input="\n", capture_output=True, text=True, check=True, cwd=ROOT)
    assert quiet.stderr == ""


def test_a_reload_that_fails_is_no_ok(lab: Callable[..., Lab], tmp_path: Path) -> None:
    """Dovecot does not run any more: on-login does not say that it was reloaded."""
    with lab(users={"alice": GOOD}) as one:
        config = str(one.config)
        one.stop()
        words = ("migrate", "on-login", "enable", "-c", config, "--apply")
        done = mailauth(*words, MAILAUTH_STATE=str(tmp_path / "state"))
        assert "no doveadm reload: Dovecot does not run; start it" in done.stdout, done.stdout
        assert done.returncode == 0
