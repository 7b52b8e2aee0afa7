"""``mailauth`` alone: what is on this machine, and the next command; by the Dovecot that is installed."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mailauth.cli import this_machine
from mailauth.cli.this_machine import about
from mailauth.dovecot import containers
from mailauth.dovecot.doveadm import Installation
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.cli.running import ORDINARY, ROOT, for_all_users, mailauth

_LONG = 60.0  # seconds: what is tested is what is said


def test_it_says_what_runs_who_fails_and_what_to_type(lab: Callable[..., Lab]) -> None:
    stored = generate("SHA512-CRYPT", Password.of("secret"))
    with lab(None, "sqlite", {"alice": stored, "o'hara": stored}) as one:
        dovecot = Installation(str(one.config))
        version, passdbs, runs, *_, following = about(dovecot, _LONG)
        assert version.startswith(f"Dovecot {one.version}")
        assert passdbs == "1 passdb: sqlite."
        assert runs == f"It is running (master process {one.master_pid})."
        assert following == "Next: mailauth diagnose USER"
        for _ in range(2):
            assert not one.login("alice", b"wrong").ok
        assert one.logs("assword mismatch", times=2)
        *_, failures, following = about(dovecot, _LONG)
        assert failures.endswith(": 2 failed logins, of alice.")
        assert following == "Next: mailauth log"

        [told, following] = about(dovecot, 0.000001)
        assert "after 1e-06 seconds" in told
        assert following == "Next: mailauth diagnose USER"


def test_one_that_does_not_run_or_is_not_set_right(lab: Callable[..., Lab]) -> None:
    with lab(None, "sqlite", {"alice": None}) as one:
        config = one.config
        one.stop()
        said = about(Installation(str(config)), _LONG)
        assert any(line.startswith("Dovecot is not running with") for line in said)
        assert said[-1] == "Next: mailauth checkup"

        config.write_text(config.read_text() + "\nnosuchsetting = yes\n")
        said = about(Installation(str(config)), _LONG)
        assert any("nosuchsetting" in line for line in said)
        assert said[-1] == "Next: mailauth checkup"


def test_others_that_run_beside_it(lab: Callable[..., Lab]) -> None:
    """Each by what names it to mailauth; the one that was looked at is not among them."""
    with lab(None, "sqlite", {"alice": None}) as one, lab(None, "passwd-file", {"bob": None}) as two:
        said = about(Installation(str(one.config)), _LONG)
        other = f"process {two.master_pid}, with {two.config}: add --pid {two.master_pid}."
        beside = [line for line in said if line.startswith("Another Dovecot runs here")]
        # Beside this test others run theirs, and four are named.
        assert any(other in line for line in beside) or any("more run here" in line for line in said)
        assert not any(f"--pid {one.master_pid}." in line for line in beside)
        done = mailauth("diagnose", "bob", "--pid", str(two.master_pid))
        assert "HASH029" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts another user's process")
def test_what_an_ordinary_user_calls_dovecot_is_not_proposed() -> None:
    """Who types a password for it gives it to that user."""
    with TemporaryDirectory(prefix="mailauth-common-") as folder:
        Path(folder).chmod(0o755)
        program = shutil.copy(shutil.which("sleep") or "", f"{folder}/dovecot")
        with subprocess.Popen([*ORDINARY, program, "600"], cwd="/") as one:
            try:
                deadline = time.monotonic() + 60
                while not (found := [each for each in containers.every() if each.pid == one.pid]):
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                [line] = this_machine._beside(found)
                assert f"process {one.pid} of user 65534" in line
                assert this_machine._ask(found) == "mailauth diagnose USER"
                assert "--pid" in this_machine._ask([replace(found[0], user=None), *found])
            finally:
                one.kill()


def test_an_ordinary_user_reads_what_could_not_be_read(tmp_path: Path) -> None:
    for_all_users()
    config = tmp_path / "dovecot.conf"
    config.write_text("log_path = /nonexistent\n")
    tmp_path.chmod(0o700)
    code = (
        "from mailauth.cli.this_machine import about; from mailauth.dovecot.doveadm import Installation;"
        f"print(*about(Installation({str(config)!r}), {_LONG}), sep='\\n')"
    )
    done = subprocess.run(
        [*ORDINARY, sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stderr == ""
    told, following = done.stdout.splitlines()
    assert "ermission denied" in told
    assert following == "Next: sudo mailauth diagnose USER"


def test_the_next_command_is_not_buried() -> None:
    """It is the last but one line: the help, which is long, is named, and shown by its option."""
    done = mailauth()
    assert (done.returncode, done.stderr) == (0, "")
    *_, following, last = done.stdout.splitlines()
    assert following.startswith("Next: mailauth ")
    assert last == "All commands: mailauth --help"
    assert mailauth("--help").stdout.startswith("Usage: ")
