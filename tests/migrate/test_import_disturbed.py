"""An import that others disturb: locks, changes meanwhile, an interrupt, workers that are killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.errors import CannotObserve
from mailauth.hashes import Password, Verdict, generate, verify
from mailauth.hashes.damaged import Reader
from mailauth.migrate.bulk import Import, Imported
from mailauth.migrate.hashing import Dask, Local
from mailauth.migrate.import_list import opened
from mailauth.migrate.journal import Head, State, fresh
from mailauth.migrate.listed_user import Check, Checked
from mailauth.migrate.named import as_written
from mailauth.stores.file_table import FileTable
from tests.cli.running import ROOT, mailauth
from tests.migrate.conftest import old_users, secret
from tests.migrate.test_apply import Make, migrated
from tests.migrate.test_cluster import GOAL, MEMORY, cluster, killed_at_work, passwords
from tests.migrate.test_import import COUNT, FAST, connected, known, listed

__all__ = ["migrated"]


def test_a_row_that_is_locked_by_another_is_done_by_the_next_run(migrated: Make, tmp_path: Path) -> None:
    one = migrated("2.3.19.1", "pgsql", old_users(1))
    file = listed(tmp_path, *known(range(1)))
    with closing(connected(one.lab)) as other:
        other.execute("SELECT * FROM users FOR UPDATE")
        done = json.loads(one.at("import", file, *FAST, "--apply", "--json", status=1))
    assert done["counts"] == {"locked": 1}
    assert done["named"] == {"locked": ["u0"]}
    done = json.loads(one.at("import", file, *FAST, "--apply", "--json"))
    assert done["counts"] == {"migrated": 1}


def test_a_password_that_changes_while_hashes_are_made_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILAUTH_STATE", str(tmp_path / "state"))
    store = tmp_path / "users"
    store.write_text("a:{PLAIN}a-pw\nb:{PLAIN}b-pw\n")

    class Meanwhile(Local):
        """Someone changes a row after it was verified."""

        def each(self, *words):  # type: ignore[no-untyped-def] # noqa: ANN002, ANN202 - what it gets it passes on
            found = super().each(*words)
            store.write_text(store.read_text().replace("b-pw", "new-pw"))
            return found

    order, report = GOAL.order((2, 4, 1), None, 0), Imported()
    head = Head("one", "x", None, "{}", State.APPLYING, 0.0)
    with (
        Path(listed(tmp_path, "a,a-pw", "b,b-pw")).open("rb") as file,
        opened(file, as_written, report.add) as users,
        Meanwhile(order, 1) as workers,
    ):
        check = Check(GOAL, order, Reader((2, 4, 1), "PLAIN"), making=True)
        table, journal = FileTable(store), fresh(head)
        work = Import(
            table, users, as_written, check, workers, journal, report, lambda _a, _b: None, lambda: False, 9
        )
        work.run()
        journal.close()
    assert report.counts == Counter({Checked.MIGRATED: 1, Checked.CHANGED: 1})
    assert "b:{PLAIN}new-pw\n" in store.read_text()


def test_an_interrupted_import_is_gone_on_with_by_running_it_again(tmp_path: Path) -> None:
    store, state = tmp_path / "users", str(tmp_path / "state")
    store.write_text("".join(f"u{n}:{{PLAIN}}{secret(n).decode()}\n" for n in range(COUNT)))
    file = listed(tmp_path, *known(range(COUNT)))
    words = ["migrate", "import", file, "--url", f"passwd-file:{store}", *FAST, "--apply"]
    with subprocess.Popen(
        [sys.executable, "-m", "mailauth", *words, "--batch", "2", "--rate", "0.1"],
        cwd=ROOT,
        env=os.environ | {"MAILAUTH_STATE": state},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as one:
        end = time.monotonic() + 60
        while "ARGON2ID" not in store.read_text():
            assert time.monotonic() < end
            time.sleep(0.02)
        one.send_signal(signal.SIGINT)
        said, _ = one.communicate()
    assert one.returncode == 130
    assert "run it again" in said
    assert 0 < store.read_text().count("ARGON2ID") < COUNT
    assert mailauth(*words, MAILAUTH_STATE=state).returncode == 0
    assert store.read_text().count("ARGON2ID") == COUNT


def test_on_a_dask_cluster_with_a_worker_killed(tmp_path: Path) -> None:
    """The same as on the cores here; and a stored hash that fits no worker is said to."""
    store = tmp_path / "users"
    large = generate("ARGON2ID", Password(secret(100)), memory=4 * MEMORY // 1024, time=1)
    store.write_text("".join(f"u{n}:{{PLAIN}}{secret(n).decode()}\n" for n in range(100)) + f"u100:{large}\n")
    with cluster(2) as (address, workers):
        threading.Timer(1.5, workers[0].kill).start()
        done = mailauth(
            *("migrate", "import", "-", "--url", f"passwd-file:{store}", "--dask", address, "--apply"),
            *(*FAST, "--batch", "40", "--json"),
            feed="".join(f"{line}\n" for line in known(range(101))),
            MAILAUTH_STATE=str(tmp_path / "state"),
            DASK_CONFIG=os.environ["DASK_CONFIG"],
        )
    assert done.returncode == 1, done.stdout + done.stderr
    assert json.loads(done.stdout)["counts"] == {"migrated": 100, "broken": 1}
    for number, line in enumerate(store.read_text().splitlines()[:100]):
        user, _, stored = line.partition(":")
        assert verify(stored, Password(secret(number)), user=user).verdict is Verdict.MATCH


def test_a_cluster_that_is_lost_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last worker, or its scheduler; nothing is waited for without end."""
    monkeypatch.setattr("mailauth.migrate.hashing._EMPTY", 1)
    monkeypatch.setattr("mailauth.migrate.hashing._LOOK", 0.5)
    with cluster(1) as (address, workers), Dask(GOAL.order((2, 4, 1), None, 0), address, MEMORY) as hashers:
        hashers.hashes(passwords(1))
        with killed_at_work(hashers, workers[0]), pytest.raises(CannotObserve, match="has had no workers"):
            hashers.hashes(passwords(400))
