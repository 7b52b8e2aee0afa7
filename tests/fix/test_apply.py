"""A remedy is applied and works, or all is put back as it was."""

import base64
import json
import subprocess
import time
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from mailauth.dovecot.version import Dialect
from mailauth.finding import Remedy, StoreChange
from mailauth.fix import apply, report
from mailauth.fix.journal import FixState
from mailauth.lab.stores import ServerStore
from mailauth.render.fix import fix_text
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


def test_journals_are_nobody_elses(fix: Fix, lab: Labs) -> None:
    with lab(None, "sqlite", {"alice": BIG}) as one:
        fix.json("MEM001", "alice", "--pid", str(one.master_pid), "--apply")
    (kept,) = fix.journals
    assert kept.stat().st_mode & 0o777 == 0o600
    for folder in (kept.parent, kept.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
