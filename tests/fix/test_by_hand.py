"""What only the administrator can do first: said, no --apply offered, no password asked for."""

import re

import pytest

from mailauth.errors import Refused
from mailauth.fix import apply, report
from mailauth.lab import Lab
from mailauth.lab.stores import SqlStore
from mailauth.remedies import HASH_SHOW, LIST_SCHEMES, LOG_ERRORS, LOG_FIND, RELOAD, REOPEN, remedy
from mailauth.render.fix import fix_text
from tests.cli.running import mailauth
from tests.fix.conftest import Fix, Labs, ready_with
from tests.proofs.story import MiB, argon2id

GOOD = argon2id(memory=1 * MiB)
WIDE = {
    "pgsql": "ALTER TABLE users ALTER COLUMN password TYPE CHAR(160)",
    "narrow pgsql": "ALTER TABLE users ALTER COLUMN password TYPE VARCHAR(64) USING password::VARCHAR(64)",
}


def misread(lab: Lab) -> tuple[str, str]:
    """A variable of the other dialect that mailauth cannot put into this one's words where it stands."""
    if lab.dialect == "2.3":
        lab.configure("auth_username_format = %{user | sha1}\n")
        return "CONF004", "%{user | sha1}"
    text = lab.config.read_text()
    line = re.search(r"query = (.*'%\{user\}')", text)
    assert line
    lab.config.write_text(
        text.replace(line[1], line[1].replace(" FROM ", " \\\n FROM ").replace("%{user}", "%u"))
    )
    return "CONF003", "%u"


def test_a_line_that_is_not_rewritten(fix: Fix, lab: Labs, dovecot_version: str) -> None:
    """CONF003 and CONF004: fix --apply would reload, find it again, and take nothing back."""
    with lab(dovecot_version, "sqlite", {"alice": GOOD}) as one:
        code, variable = misread(one)
        one.reload()
        pid = str(one.master_pid)
        planned = fix(code, "alice", "--pid", pid)
        assert planned.returncode == 0
        assert f"has {variable}" in planned.stdout
        assert "add --apply" not in planned.stdout
        assert "--apply would not fix it: a part of it is to be done by hand first." in planned.stdout
        done = fix(code, "alice", "--pid", pid, "--apply")
        assert (done.returncode, done.stdout) == (1, "")
        assert "by hand first" in done.stderr
        assert not fix.journals
        assert "mailauth fix" not in mailauth("diagnose", "alice", "--pid", pid).stdout


@pytest.mark.parametrize(
    ("column", "stored", "code"), [("narrow pgsql", GOOD, "HASH006"), ("pgsql", GOOD, "HASH007")]
)
def test_a_column_that_does_it_again(
    fix: Fix, lab: Labs, dovecot_version: str, column: str, stored: str, code: str
) -> None:
    """The new string would be cut, or filled up, as the old one was: first the ALTER TABLE."""
    with lab(dovecot_version, "pgsql", {"alice": stored}) as one:
        assert isinstance(one.store, SqlStore)
        one.store.execute(WIDE[column])
        pid = str(one.master_pid)
        planned = fix(code, "alice", "--pid", pid)
        assert planned.returncode == 0, planned.stderr
        assert "ALTER TABLE" in planned.stdout
        assert "--apply would not fix it" in planned.stdout
        done = fix(code, "alice", "--pid", pid, "--apply", feed="a new one\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert "ALTER TABLE" in done.stderr or "by hand first" in done.stderr
        assert not fix.journals
        found = mailauth("diagnose", "alice", "--pid", pid).stdout
        assert code in found
        assert "mailauth fix" not in found


@pytest.mark.parametrize("command", [RELOAD, REOPEN, LOG_FIND, LOG_ERRORS, HASH_SHOW, LIST_SCHEMES])
def test_what_mends_nothing_by_itself(fix: Fix, lab: Labs, command: tuple[str, ...]) -> None:
    """A command that reads again, or looks: of use only where a rule says that it is the whole remedy."""
    del fix
    with lab(None, "passwd-file", {"alice": GOOD}) as one:
        ready = ready_with(one, remedy("Mend the line.", commands=(command,)))
        assert "add --apply" not in fix_text(report.report(ready))
        with pytest.raises(Refused, match=r"there is nothing|--apply would not fix it.*Mend the line"):
            apply.apply(ready)
    assert not remedy("Reload Dovecot.", commands=(command,), whole=True).by_hand
