"""An account of Dovecot's that may only read: the GRANT that it lacks is said before --apply is offered."""

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from mailauth.dovecot.authconfig import SqlSource
from mailauth.stores import query, sql_change
from mailauth.stores.database import TIMEOUT
from tests.fix.conftest import Fix, Labs
from tests.proofs.story import SECRET, MiB, argon2id
from tests.proofs.test_db import as_reader, no_reader, reader, sql

GOOD = argon2id(memory=1 * MiB)


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_what_is_missing_is_said_before(fix: Fix, lab: Labs, dovecot_version: str, kind: str) -> None:
    """The statement is run as printed; then the same fix is offered, and made."""
    with lab(dovecot_version, kind, {"alice": f"{GOOD} "}) as one:
        as_reader(one)
        one.reload()
        pid = ("--pid", str(one.master_pid))
        try:
            planned = fix("HASH007", "alice", *pid)
            assert "add --apply" not in planned.stdout
            account = reader(one)
            found = re.search(r"run: (GRANT SELECT, UPDATE ON users TO \S+);", planned.stdout)
            assert found, planned.stdout
            assert found[1].endswith(f" TO {account}")
            assert f"the account {account} may not write users" in planned.stdout
            done = fix("HASH007", "alice", *pid, "--apply")
            assert (done.returncode, done.stdout) == (1, "")
            assert found[1] in done.stderr
            assert not fix.journals
            sql(found[1])(one)
            assert "add --apply" in fix("HASH007", "alice", *pid).stdout
            assert fix("HASH007", "alice", *pid, "--apply").returncode == 0
            assert one.login("alice", SECRET).ok
        finally:
            no_reader(one)


def test_a_plan_takes_no_lock_of_a_file(tmp_path: Path) -> None:
    """It began to write, and waited 10 s for another writer; a plan only looks."""
    file = tmp_path / "users.sqlite"
    text = "SELECT password FROM users WHERE userid = '%u'"
    select = query.read(text)
    assert select
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE users (userid TEXT, password TEXT)")
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert not sql_change.forbidden(SqlSource("sqlite", ({"path": str(file)},), text, "here"), select)
        assert time.monotonic() - began < TIMEOUT / 2
