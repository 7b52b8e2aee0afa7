"""What goes wrong while a fix is made: each ends as it began, or says what is left."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.dovecot.site import read_config
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.finding import Edit, Remedy
from mailauth.fix import apply, journal, report
from mailauth.fix.journal import FixState
from mailauth.fix.reload import reload
from mailauth.remedies import HASH_NEW
from mailauth.render.fix import fix_text
from tests.fix.conftest import Fix, Labs, config_of, ready_with
from tests.fix.test_apply import BIG, GOOD, both
from tests.proofs.story import SECRET

# What goes wrong


def impatient(
    monkeypatch: pytest.MonkeyPatch, seconds: float, dovecot: Installation, config: AuthConfig
) -> None:
    """A reload that is given so many seconds."""
    with monkeypatch.context() as only:
        only.setattr("mailauth.fix.reload._SECONDS", seconds)
        reload(dovecot, config)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(
            "no_such_setting_at_all = yes", "doveconf|Dovecot does not accept it", id="does not validate"
        ),
        pytest.param("service auth {\n  vsz_limit = 1 elephant\n}", "does not accept", id="no size"),
        pytest.param(
            "service auth {\n  executable = /bin/false\n}", "no new auth process", id="does not start"
        ),
        pytest.param(
            "auth_mechanisms = external", "login test failed|no login|is found", id="nobody can log in"
        ),
    ],
)
def test_a_remedy_that_fails_is_rolled_back(
    fix: Fix, lab: Labs, dovecot_version: str, text: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, with owner and mode; the service answers as before."""
    if "executable" in text:  # the way back is given all the time that it may take
        monkeypatch.setattr("mailauth.fix.apply.reload", partial(impatient, monkeypatch, 4.0))
    with lab(dovecot_version, "sqlite", {"alice": GOOD}) as one:
        before = config_of(one)
        ready = ready_with(one, Remedy("Break.", config=both(text), file=str(one.config)), SECRET)
        ending = apply.apply(ready)
        assert ending.state is FixState.ROLLED_BACK, ending
        assert re.search(why, ending.problem), ending.problem
        assert config_of(one) == before
        assert one.login("alice", SECRET).ok
        told = fix_text(report.report(ready, ending))
        assert "Rolled back" in told
        assert told.count(ending.problem) == 1, "the reason is said once"
        assert journal.read(ending.id).state is FixState.ROLLED_BACK
        assert len(fix.journals) == 1


def test_reload_fails(fix: Fix, lab: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The master hangs: what could not be put back at once is put back by --undo."""
    del fix
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        before = config_of(one)
        ready = ready_with(one, Remedy("Set.", config=both("auth_debug = yes"), file=str(one.config)))
        os.kill(one.master_pid, signal.SIGSTOP)
        monkeypatch.setattr("mailauth.fix.reload._SECONDS", 1.0)
        try:
            ending = apply.apply(ready)
            assert "no new auth process answered" in ending.problem
            assert ending.state is FixState.APPLYING
            assert "HALF DONE" in fix_text(report.report(ready, ending))
            assert config_of(one) == before
            with pytest.raises(Refused, match="an earlier fix was killed"):
                apply.apply(ready)
        finally:
            os.kill(one.master_pid, signal.SIGCONT)
            monkeypatch.setattr("mailauth.fix.reload._SECONDS", 60.0)
        assert apply.undo(ending.id).state is FixState.UNDONE
        assert one.login("alice", SECRET).ok


def test_a_reload_while_auth_is_busy(
    lab: Labs, dovecot_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It verifies a slow hash and greets nobody: still the reload is done when it is gone, not before."""
    monkeypatch.setattr("mailauth.fix.reload._SECONDS", 60.0)
    monkeypatch.setattr("mailauth.fix.reload._OLD_SECONDS", 60.0)
    busy = "{SHA512-CRYPT}$6$rounds=8000000$saltsalt$" + "x" * 86
    with lab(dovecot_version, "passwd-file", {"alice": GOOD, "busy": busy}) as one:
        dovecot = at_pid(one.master_pid, None)
        (old,) = (process for process in one.processes() if process.name() == "auth")
        used = sum(old.cpu_times()[:2])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(one.login, "busy", SECRET)
            while sum(old.cpu_times()[:2]) < used + 0.1:
                assert not waiting.done()
            reload(dovecot, read_config(dovecot))
            with suppress(psutil.NoSuchProcess):  # or Dovecot has yet to hear of its end
                assert old.status() == psutil.STATUS_ZOMBIE
            with suppress(CannotObserve):  # what becomes of that login is Dovecot's matter
                assert not waiting.result().ok
        assert one.login("alice", SECRET).ok


def test_a_dovecot_that_does_not_run(fix: Fix, lab: Labs) -> None:
    """Its files can be mended all the same; that nothing was tested is said."""
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        ready = ready_with(one, Remedy("Set.", config=both("auth_debug = yes"), file=str(one.config)))
        one.stop()
        unseen = fix("HASH001", "alice", "-c", str(one.config))
        assert unseen.returncode == 3
        assert f"could not be seen: No Dovecot runs with {one.config}" in unseen.stderr
        ending = apply.apply(ready)
        assert (ending.state, ending.clean) == (FixState.APPLIED, True)
        assert "Dovecot does not run" in ending.notes[0]
        assert one.config.read_text().endswith("auth_debug = yes\n")


def test_without_a_user(fix: Fix, lab: Labs, dovecot_version: str) -> None:
    """What a checkup finds: a passwd-file that auth may not read."""
    with lab(dovecot_version, "passwd-file", {"alice": GOOD}) as one:
        assert one.store.path
        pid = str(one.master_pid)
        if os.geteuid() == 0:
            os.chown(one.store.path, 0, 0)
        one.store.path.chmod(0o600)
        one.reload()
        assert not one.login("alice", SECRET).ok
        before = one.store.path.stat()
        done = fix.json("CONF012", "--pid", pid, "--apply")
        assert done["state"] == "applied", done
        time.sleep(1.1)
        assert one.login("alice", SECRET).ok
        fix.json("--undo", done["id"], "--pid", pid)
        after = one.store.path.stat()
        assert (after.st_mode, after.st_gid) == (before.st_mode, before.st_gid)


def test_a_log_that_is_opened_anew(fix: Fix, lab: Labs, dovecot_version: str) -> None:
    """The log process does it after doveadm has ended, however late."""
    with lab(dovecot_version, "sqlite", {"alice": GOOD}) as one:
        log = one.folder / "log"
        log.rename(one.folder / "log.1")
        (process,) = (process for process in one.processes() if process.name() == "log")
        process.suspend()
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(fix.json, "LOG005", "--pid", str(one.master_pid), "--apply")
            while not fix.journals:  # it is written before the command is run
                assert not ended.done()
            time.sleep(1.0)
            process.resume()
            assert ended.result()["state"] == "applied"
        assert log.exists()


def test_two_remedies_for_one_line(lab: Labs) -> None:
    """One says the line in other words, one puts a line before it."""
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        file = one.settings_file
        file.write_text("auth_debug = no\n")
        name = str(file)
        put_before = Edit(name, 1, "auth_debug = no", "auth_verbose = yes\nauth_debug = no")
        anew = Edit(name, 1, "auth_debug = no", "log_debug = category=auth")
        for edits in ((put_before, anew), (anew, put_before)):
            ready = ready_with(one, Remedy("Change.", edits=edits))
            assert ready.plan.files[0].after == b"auth_verbose = yes\nlog_debug = category=auth\n"


def test_a_command_that_fails(fix: Fix, lab: Labs) -> None:
    """What chmod changed goes back, too."""
    del fix
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        before = config_of(one)
        commands = (("chmod", "--", "a+x", str(one.config)), ("mkdir", "-p", "--", "/proc/nowhere"))
        ending = apply.apply(ready_with(one, Remedy("Run.", commands=commands)))
        assert ending.state is FixState.ROLLED_BACK
        assert "/proc/nowhere: ended with status 1" in ending.problem
        assert config_of(one) == before


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(fix: Fix, lab: Labs, tmpfs: Path) -> None:
    """The drop-in cannot be written: nothing of it stays."""
    del fix
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        (one.folder / "conf.d").symlink_to(tmpfs)
        (tmpfs / "10-a.conf").write_text("auth_debug = no\n" + "#" * 9_000)
        one.config.write_text(f"{one.config.read_text()}!include conf.d/*.conf\n")
        one.reload()
        before = sorted(path.name for path in tmpfs.iterdir())
        text = "auth_debug = yes\n" + "#" * 9_000
        ending = apply.apply(ready_with(one, Remedy("Set.", config=both(text), file=str(one.config))))
        assert "No space left on device" in ending.problem
        assert ending.state is FixState.ROLLED_BACK
        assert sorted(path.name for path in tmpfs.iterdir()) == before
        assert one.login("alice", SECRET).ok


def test_no_journal_no_change(fix: Fix, lab: Labs, tmpfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be taken back is not begun."""
    del fix
    monkeypatch.setenv("MAILAUTH_STATE", str(tmpfs))
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        before = config_of(one)
        text = "auth_debug = yes\n" + "#" * 40_000
        ready = ready_with(one, Remedy("Set.", config=both(text), file=str(one.config)))
        with pytest.raises(Refused, match="the journal cannot be written"):
            apply.apply(ready)
        assert config_of(one) == before
        assert not journal.journals()


def test_one_at_a_time(fix: Fix, lab: Labs) -> None:
    with lab(None, "sqlite", {"alice": BIG}) as one, journal.alone():
        done = fix("MEM001", "alice", "--pid", str(one.master_pid), "--apply")
        lines = [line for line in done.stderr.splitlines() if not line.endswith(" ...")]
        assert (done.returncode, len(lines)) == (1, 1)
        assert "another mailauth fix is running" in done.stderr


def test_someone_edits_after_us(fix: Fix, lab: Labs) -> None:
    """His work is left alone, and that is said."""
    with lab(None, "sqlite", {"alice": BIG}) as one:
        pid = str(one.master_pid)
        done = fix.json("MEM001", "alice", "--pid", pid, "--apply")
        text = f"{one.config.read_text()}# mine\n"
        one.config.write_text(text)
        back = fix("--undo", done["id"])
        assert back.returncode == 1
        assert "someone else has changed it since" in back.stdout
        assert "Taken back." not in back.stdout
        assert one.config.read_text() == text


def test_nothing_to_apply(fix: Fix, lab: Labs) -> None:
    """A remedy for people only."""
    del fix
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        ready = ready_with(one, Remedy("Type it right.", commands=(HASH_NEW,)))
        assert "also   mailauth hash new" in fix_text(report.report(ready))
        with pytest.raises(Refused, match=r"nothing that mailauth could do here: Type it right\."):
            apply.apply(ready)


@pytest.mark.dovecot(">= 2.4")
def test_a_refused_configuration(fix: Fix, lab: Labs, dovecot_version: str) -> None:
    """The user's other fault, hidden until then, is no reason to take the mended settings back."""
    with lab(dovecot_version, "sqlite", {"alice": BIG}) as one:
        pid = str(one.master_pid)
        one.settings_file.write_text("disable_plaintext_auth = no\n")
        done = fix.json("CONF001", "alice", "--pid", pid, "--apply", "--password-stdin", feed=SECRET)
        assert done["state"] == "applied", done
        assert "still found: MEM001" in done["notes"][0]
        assert fix.json("MEM001", "alice", "--pid", pid, "--apply")["state"] == "applied"
        assert one.login("alice", SECRET).ok


def test_not_found_now(fix: Fix, lab: Labs) -> None:
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        done = fix("mem001", "alice", "--pid", str(one.master_pid))
    assert (done.returncode, done.stdout) == (2, "")
    assert "MEM001 is not found now for 'alice' (found: nothing)" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name the finding"),
        (("MEM001", "--password-stdin"), "fix without a USER makes no use of --password-stdin"),
        (("--undo", "x", "--apply"), "fix --undo makes no use of --apply"),
        (("--undo", "../x"), "there is no fix '../x'"),
        (("MEM001", "alice", "-c", "/nowhere.conf"), "there is no such file"),
        (("MEM001", "alice", "--login"), "--login needs the password"),
    ],
)
def test_wrong_usage(fix: Fix, words: tuple[str, ...], says: str) -> None:
    done = fix(*words, feed="x\n")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr


def test_an_ordinary_user_is_told_what_is_needed(
    fix: Fix, lab: Labs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written."""
    if os.geteuid() != 0:
        pytest.skip("an ordinary user's own Dovecot may be changed by him")
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        ready = ready_with(one, Remedy("Set.", config=both("auth_debug = yes"), file=str(one.config)))
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
        with pytest.raises(UsageError, match=r"must be run as root here: it writes .*dovecot\.conf"):
            apply.apply(ready)
    assert not fix.journals
