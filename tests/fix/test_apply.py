"""A remedy is applied and works, or all is put back as it was."""

import base64
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import resources
from pathlib import Path

import jsonschema
import psutil
import pytest

from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.dovecot.site import read_config
from mailauth.dovecot.version import Dialect
from mailauth.errors import CannotObserve, Refused, UsageError
from mailauth.finding import Edit, Remedy, StoreChange
from mailauth.fix import apply, journal, plan, report
from mailauth.fix.journal import FixState
from mailauth.fix.reload import reload
from mailauth.lab.stores import ServerStore
from mailauth.remedies import HASH_NEW
from mailauth.render.fix import fix_text
from mailauth.render.json import to_json
from tests.cli.running import mailauth
from tests.fix.conftest import Fix, Labs, config_of, ready_with
from tests.proofs.story import SECRET, MiB, argon2id

BIG = argon2id(memory=256 * MiB)
GOOD = argon2id(memory=1 * MiB)
CUT = GOOD[:60]
NEW = b"an entirely-fresh one"


def both(text: str) -> dict[Dialect, str]:
    return {"2.3": text, "2.4": text}


def test_mem001_is_mended_and_taken_back(fix: Fix, lab: Labs, dovecot_version: str, store: str) -> None:
    """Dry run, apply with a login test, undo: by the command line, as an administrator does."""
    with lab(dovecot_version, store, {"alice": BIG}) as one:
        pid = str(one.master_pid)
        before = config_of(one)
        planned = fix.json("MEM001", "alice", "--pid", pid)
        assert planned["state"] == "planned"
        assert "+  vsz_limit = 320M\n" in planned["files"][0]["diff"]
        assert config_of(one) == before
        assert not fix.journals
        done = fix.json("MEM001", "alice", "--pid", pid, "--apply", "--password-stdin", feed=SECRET)
        jsonschema.validate(
            done, json.loads(resources.files("mailauth").joinpath("schemas/fix.json").read_text())
        )
        assert done["state"] == "applied"
        assert [step["ok"] for step in done["steps"]] == [True] * 4
        assert one.login("alice", SECRET).ok
        assert "MEM001 is not found now" in fix("MEM001", "alice", "--pid", pid).stderr
        back = fix.json("--undo", done["id"], "--pid", pid)
        assert back["state"] == "undone"
        assert config_of(one) == before
        assert not one.login("alice", SECRET).ok
        again = fix("--undo", done["id"])
        assert (again.returncode, "undone already" in again.stderr) == (1, True)


def test_the_diff_is_a_patch(lab: Labs, tmp_path: Path) -> None:
    """patch(1) makes of the old file what mailauth would have."""
    with lab(None, "sqlite", {"alice": BIG}) as one:
        ready = ready_with(one, Remedy("Try.", config=both("auth_debug = yes"), file=str(one.config)))
        told = report.report(ready)
        copy = tmp_path / "dovecot.conf"
        copy.write_bytes(one.config.read_bytes())
        (tmp_path / "a.diff").write_text(told.files[0].diff)
        try:
            subprocess.run(["patch", "-s", str(copy), str(tmp_path / "a.diff")], check=True)
        except FileNotFoundError:
            pytest.skip("patch is not installed")
        assert copy.read_bytes() == ready.plan.files[0].after


def test_the_schema_in_the_tree_is_current() -> None:
    """When it is not: python -c 'from mailauth.fix.report import *; print(to_json(schema()))'."""
    text = resources.files("mailauth").joinpath("schemas/fix.json").read_text()
    assert json.loads(text) == json.loads(to_json(report.schema()))


# Where settings go


@pytest.mark.parametrize(
    ("ends", "others", "where"),
    [
        ("!include conf.d/*.conf\n", ["10-auth.conf"], "conf.d/99-mailauth.conf"),
        ("!include conf.d/*.conf\n# the end\n\n", ["10-auth.conf"], "conf.d/99-mailauth.conf"),
        ("!include conf.d/*.conf\n!include_try local.conf\n", ["10-auth.conf"], "conf.d/99-mailauth.conf"),
        ("!include_try conf.d/*.conf\n", ["10-auth.conf"], "conf.d/99-mailauth.conf"),
        ("!include conf.d/*.conf\n", ["99-zz.conf"], "dovecot.conf"),
        ("!include conf.d/*.conf\n", ["local.conf"], "dovecot.conf"),
        ("!include conf.d/*.conf\nauth_verbose = yes\n", ["10-auth.conf"], "dovecot.conf"),
        ("!include conf.d/*.conf\n!include_try settings.conf\n", ["10-auth.conf"], "dovecot.conf"),
    ],
)
def test_where_settings_go(
    fix: Fix, lab: Labs, dovecot_version: str, ends: str, others: list[str], where: str
) -> None:
    """In a drop-in only where it comes last; and there it counts."""
    del fix
    with lab(dovecot_version, "sqlite", {"alice": BIG}) as one:
        folder = one.folder / "conf.d"
        folder.mkdir()
        for name in others:
            (folder / name).write_text("service auth-worker {\n  vsz_limit = 255M\n}\n")
        one.config.write_text(f"{one.config.read_text()}{ends}")
        one.reload()
        before = config_of(one)
        text = "service auth-worker {\n  vsz_limit = 320M\n}"
        ready = ready_with(one, Remedy("Raise.", config=both(text), file=str(one.config)), SECRET)
        assert [change.path for change in ready.plan.files] == [str(one.folder / where)]
        ending = apply.apply(ready)
        assert ending.state is FixState.APPLIED, ending
        assert one.login("alice", SECRET).ok
        assert apply.undo(ending.id).clean
        assert config_of(one) == before


def test_lines_are_changed_where_they_stand(fix: Fix, lab: Labs) -> None:
    """From the bottom up, with their indentation; a line that is another by now is refused."""
    del fix
    with lab(None, "sqlite", {"alice": GOOD}) as one:
        file = one.settings_file
        file.write_text("auth_debug = no\nservice auth {\n    vsz_limit = 200M\n}\nauth_cache_size = 1M\n")
        one.reload()
        edits = (
            Edit(str(file), 1, "auth_debug = no", ""),
            Edit(str(file), 3, "vsz_limit = 200M", "vsz_limit = 300M"),
            Edit(str(file), 5, "auth_cache_size = 1M", "auth_cache_size = 2M"),
        )
        ready = ready_with(one, Remedy("Change.", edits=edits))
        assert apply.apply(ready).state is FixState.APPLIED
        assert file.read_text() == "service auth {\n    vsz_limit = 300M\n}\nauth_cache_size = 2M\n"
        with pytest.raises(Refused, match=":5: is not the line that was found there"):
            ready_with(one, Remedy("Change.", edits=edits))


def test_the_diff_keeps_secrets_to_itself(fix: Fix, lab: Labs) -> None:
    """The SQL file has a password, and the line before the end is not shown when it could be one."""
    del fix
    with lab(
        "2.3.19.1", "pgsql", {"alice": GOOD}, sql_extra="# connect again = x password=hidden-secret\n"
    ) as one:
        file = one.folder / "dovecot-sql.conf.ext"
        remedy = Remedy("Set.", config=both("default_pass_scheme = ARGON2ID"), file=str(file))
        told = report.report(ready_with(one, remedy))
        assert "+default_pass_scheme = ARGON2ID" in told.files[0].diff
        assert one.store.place.password not in told.files[0].diff
        assert "hidden-secret" not in fix_text(told)


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
        assert "Rolled back" in fix_text(report.report(ready, ending))
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


# The entry in the store


def test_a_new_password(fix: Fix, lab: Labs, dovecot_version: str, store: str) -> None:
    """Set by compare-and-set, tested with a login, and the old one comes back."""
    del fix
    with lab(dovecot_version, store, {"alice": CUT, "bob": GOOD}) as one:
        ready = ready_with(one, Remedy("Set it.", store=StoreChange.NEW_PASSWORD), NEW)
        assert "a new hash" in fix_text(report.report(ready))
        ready = apply.with_string(ready, ready.target.password)
        ending = apply.apply(ready)
        assert ending.state is FixState.APPLIED, ending
        assert one.login("alice", NEW).ok
        assert one.login("bob", SECRET).ok
        shown = fix_text(report.report(ready, ending)) + repr(ready) + repr(ending)
        assert NEW.decode() not in shown
        assert (ready.new or b"").decode().rpartition("$")[2] not in shown
        assert apply.undo(ending.id).clean
        if store == "passwd-file":
            time.sleep(1.1)
        assert not one.login("alice", NEW).ok
        assert one.login("bob", SECRET).ok


def test_a_mended_string(fix: Fix, lab: Labs, store: str) -> None:
    """A blank at the end; with an auth cache, which is told."""
    del fix
    settings = "auth_cache_size = 1M\n"
    with lab(None, store, {"alice": f"{GOOD} "}, settings=settings) as one:
        assert not one.login("alice", SECRET).ok
        ready = apply.with_string(ready_with(one, Remedy("Mend.", store=StoreChange.MEND), SECRET), None)
        assert ready.new == GOOD.encode()
        assert apply.apply(ready).state is FixState.APPLIED
        assert one.login("alice", SECRET).ok


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_null_gets_a_password(fix: Fix, lab: Labs, kind: str) -> None:
    del fix
    with lab(None, kind, {"alice": None}) as one:
        ready = ready_with(one, Remedy("Set it.", store=StoreChange.NEW_PASSWORD), NEW)
        ending = apply.apply(apply.with_string(ready, ready.target.password))
        assert ending.state is FixState.APPLIED, ending
        assert one.login("alice", NEW).ok
        assert apply.undo(ending.id).clean
        assert not one.login("alice", NEW).ok


def test_changed_between_look_and_write(fix: Fix, lab: Labs, store: str) -> None:
    """Refused, nothing written, and the other's string stays."""
    del fix
    with lab(None, store, {"alice": CUT}) as one:
        ready = ready_with(one, Remedy("Set it.", store=StoreChange.NEW_PASSWORD), NEW)
        ready = apply.with_string(ready, ready.target.password)
        one.set_password("alice", GOOD)
        ending = apply.apply(ready)
        assert "changed by someone else" in ending.problem
        assert ending.state is FixState.ROLLED_BACK
        assert one.login("alice", SECRET).ok


def test_a_read_only_database(fix: Fix, lab: Labs) -> None:
    """The settings that were changed before go back, too."""
    del fix
    with lab(None, "pgsql", {"alice": CUT}) as one:
        assert isinstance(one.store, ServerStore)
        name = one.store.place.database
        before = config_of(one)
        remedy = Remedy(
            "Both.", config=both("auth_debug = yes"), file=str(one.config), store=StoreChange.NEW_PASSWORD
        )
        ready = ready_with(one, remedy, NEW)
        ready = apply.with_string(ready, ready.target.password)
        one.store.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        ending = apply.apply(ready)
        assert "read-only transaction" in ending.problem
        assert "UPDATE users SET password = '<new string>'" in ending.problem
        assert (ending.state, ending.steps[-1].ok) == (FixState.ROLLED_BACK, True), ending
        assert config_of(one) == before


def test_a_plaintext_is_not_kept(fix: Fix, lab: Labs) -> None:
    """So it cannot come back, and that is said."""
    with lab(None, "sqlite", {"alice": "{PLAIN}in-the-clear-7c1"}) as one:
        ready = ready_with(one, Remedy("Hash it.", store=StoreChange.NEW_PASSWORD), NEW)
        ending = apply.apply(apply.with_string(ready, ready.target.password))
        assert ending.state is FixState.APPLIED
        kept = fix.journals[0].read_bytes()
        assert b"in-the-clear-7c1" not in kept
        assert base64.b64encode(b"{PLAIN}in-the-clear-7c1") not in kept
        back = apply.undo(ending.id)
        assert not back.clean
        assert "was not kept" in back.steps[0].said
        assert one.login("alice", NEW).ok


def test_the_hash_fits_into_the_process(fix: Fix, lab: Labs, dovecot_version: str) -> None:
    """With little room a smaller one is made."""
    del fix
    settings = "service auth-worker {\n  vsz_limit = 64M\n}\n"
    with lab(dovecot_version, "sqlite", {"alice": CUT}, settings=settings) as one:
        ready = ready_with(one, Remedy("Set it.", store=StoreChange.NEW_PASSWORD), NEW)
        ready = apply.with_string(ready, ready.target.password)
        assert apply.apply(ready).state is FixState.APPLIED
        assert one.login("alice", NEW).ok
        assert (ready.new or b"").startswith(b"{ARGON2ID}$argon2id$v=19$m=12288,t=3,p=1$")
        looked = mailauth("check", "headroom", "--pid", str(one.master_pid), "--state", str(one.folder / "c"))
        assert looked.returncode == 0, looked.stdout


GENERATED = """# Do not change this file: it is written anew by the panel.
# Your own settings go into dovecot-custom.conf.
"""


@pytest.mark.parametrize("custom", [True, False])
def test_a_generated_file(fix: Fix, lab: Labs, custom: bool) -> None:
    """Its included custom file is the place; where there is none, it says what takes the change away."""
    del fix
    with lab(None, "sqlite", {"alice": BIG}) as one:
        mine = one.folder / "dovecot-custom.conf"
        mine.write_text("# mine\n")
        text = f"{GENERATED}{one.config.read_text()}"
        one.config.write_text(text + (f"!include_try {mine}\n" if custom else "auth_verbose = yes\n"))
        one.reload()
        changed = "service auth-worker {\n  vsz_limit = 320M\n}"
        ready = ready_with(one, Remedy("Raise.", config=both(changed), file=str(one.config)), SECRET)
        assert [change.path for change in ready.plan.files] == [str(mine if custom else one.config)]
        warned = "Do not change this file" in " ".join(ready.plan.careful)
        assert warned is not custom
        assert apply.apply(ready).state is FixState.APPLIED
        assert one.login("alice", SECRET).ok


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_layer_of_a_container(tmp_path: Path) -> None:
    """What is written there goes with the container; what is mounted into it stays."""
    for name in ("upper", "work", "root", "volume"):
        (tmp_path / name).mkdir()
    script = (
        'mount -t overlay o -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root" &&'
        ' mkdir -p "$0/root/srv" && mount --bind "$0/volume" "$0/root/srv" && mount -t proc p "$0/root/proc"'
        ' && exec chroot "$0/root" sh -c "echo ready; exec sleep 600"'
    )
    words = ["unshare", "--mount", "sh", "-c", script, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        try:
            assert one.stdout
            if one.stdout.readline() != "ready\n":
                pytest.skip("this machine mounts no overlay here")
            mounts = plan.layers(Installation(pid=one.pid))
            assert plan.within(mounts, "/etc/dovecot/dovecot.conf")
            assert not plan.within(mounts, "/srv/dovecot.conf")
            assert not plan.within(mounts, "/proc/sys/x")
        finally:
            one.kill()
    assert plan.layers(Installation()) == {}


def test_journals_are_nobody_elses(fix: Fix, lab: Labs) -> None:
    with lab(None, "sqlite", {"alice": BIG}) as one:
        fix.json("MEM001", "alice", "--pid", str(one.master_pid), "--apply")
    (kept,) = fix.journals
    assert kept.stat().st_mode & 0o777 == 0o600
    for folder in (kept.parent, kept.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
