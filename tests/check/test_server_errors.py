"""What keeps every login out is no OK, whoever says it: the settings, the stores, the userdb or the log."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.check.outcome import Status
from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Severity
from tests.check.conftest import Watched
from tests.field.chains import Part, lua, passwd_file, server
from tests.field.conftest import rig as rig  # noqa: PLC0414 - the fixture, by its own name
from tests.field.rig import Rig
from tests.proofs.conftest import proof as proof  # noqa: PLC0414
from tests.proofs.story import SECRET, MiB, Proof, argon2id
from tests.proofs.test_db import rewrite
from tests.proofs.test_db_userdb import query, userdb

Make = Callable[..., Proof]
MakeRig = Callable[..., Rig]
GOOD = argon2id(memory=1 * MiB)
CHECKS = ("server", "rows", "workers")


def statuses(one: Watched, *checks: str) -> dict[str, tuple[Status, str]]:
    """All that is not OK."""
    found = one.run(*(checks or CHECKS)).outcomes
    return {each.check: (each.status, each.says) for each in found if each.status is not Status.OK}


@pytest.mark.parametrize("kind", ["mysql", "pgsql"])
def test_a_userdbs_query_and_settings(proof: Make, dovecot_version: str, kind: str, tmp_path: Path) -> None:
    """The passdb answers; the userdb's own query has a column that is not there."""
    told = proof(dovecot_version, kind, {"alice": GOOD}, protocols=("imap",))
    one = Watched(told.lab, tmp_path)
    password = told.lab.store.place.password
    userdb(told.lab, password, query(told.lab))
    assert told.logins() == [True]
    assert statuses(one) == {}
    userdb(told.lab, password, query(told.lab).replace("userid=", "nowhere="))
    found = statuses(one)
    assert found["server"][0] is Status.CRITICAL
    assert "DB004" in found["server"][1]
    assert "userdb 1" in found["server"][1]
    assert "rows" not in found


# 2.4 itself refuses a setting of MariaDB's that it does not know.
@pytest.mark.parametrize(
    ("dovecot_version", "kind"),
    [("2.3.19.1", "mysql"), ("2.3.19.1", "pgsql"), ("2.4.1", "pgsql")],
    indirect=["dovecot_version"],
)
def test_settings_that_the_client_refuses(
    proof: Make, dovecot_version: str, kind: str, tmp_path: Path
) -> None:
    """DB014: the other database's name of a setting."""
    told = proof(dovecot_version, kind, {"alice": GOOD})
    one = Watched(told.lab, tmp_path)
    assert statuses(one) == {}
    name = "sslmode" if kind == "mysql" else "ssl_ca"
    if told.lab.dialect == "2.3":
        rewrite("connect = ", f"connect = {name}=require ")(told.lab)
    else:
        rewrite("  parameters {\n", "  parameters {\n    ssl_ca = /tmp/ca\n")(told.lab)
    told.lab.restart()
    found = statuses(one)
    assert Status.UNKNOWN not in {status for status, _ in found.values()}
    assert found["server"][0] is Status.CRITICAL
    assert "DB014" in found["server"][1]


def test_a_variable_that_dovecot_does_not_know(rig: MakeRig, dovecot_version: str, tmp_path: Path) -> None:
    """CONF024, and auth's own end, of settings that only auth reads."""
    bad = "%{nonsense}"
    part = Part(
        f"driver = passwd-file\n  args = username_format=%u{bad} @DIR@/users",
        "passdb users {\n  driver = passwd-file\n  passwd_file_path = @DIR@/users\n"
        f"  auth_username_format = %{{user}}{bad}\n}}\n",
        {"users": f"alice:{GOOD}\n"},
    )
    found = statuses(Watched(server(rig, dovecot_version, part), tmp_path))
    assert found["server"][0] is Status.CRITICAL
    assert "CONF024" in found["server"][1]


def test_auth_ends_as_it_starts(rig: MakeRig, dovecot_version: str, tmp_path: Path) -> None:
    """A script that is none: the script and Lua's words of it."""
    part = lua("alice", SECRET.decode())
    broken = Part(part.old, part.new, {"login.lua": "function ("})
    found = statuses(Watched(server(rig, dovecot_version, broken), tmp_path), "server")
    assert found["server"][0] is Status.CRITICAL
    assert "LUA001" in found["server"][1]
    assert "AUTH012" not in found["server"][1], "one cause is told once"
    assert "login.lua" in found["server"][1]


SCRIPT = "function auth_password_verify(request, password)\n  error('the backend is away')\nend\n"


def test_the_log_tells_of_a_passdb_that_is_not_looked_into(
    rig: MakeRig, dovecot_version: str, tmp_path: Path
) -> None:
    """A script that ends with an error: nothing to see but in the log."""
    part = lua("alice", SECRET.decode())
    good = part.files["login.lua"]
    lab = server(rig, dovecot_version, part)
    one = Watched(lab, tmp_path)
    assert lab.login("alice", SECRET).ok
    assert statuses(one, "server", "workers") == {}
    lab.write("login.lua", SCRIPT + "function auth_passdb_lookup(r) return 0, {} end\n")
    lab.reload()
    target = Target("alice", at_pid(lab.master_pid, None))
    before = look(target).diagnosis
    assert not before.findings
    open_ = {each.rule.code: each.missing.reason for each in before.undecided}
    assert "USER001" in open_
    assert "; run: sudo mailauth diagnose" in open_["USER001"]
    assert [lab.login(user, SECRET).ok for user in ("alice", "bob")] == [False, False]
    [after] = look(target).diagnosis.findings
    assert (after.rule.code, after.severity) == ("AUTH020", Severity.RISK)
    assert f"failed: {lab.folder}/login.lua:2: ... (1 time)" in after.problem.says
    told = [each.text for each in one.one("workers").said if each.status is not Status.OK]
    assert len(told) == 1, told
    assert f"{lab.folder}/login.lua:2: ..." in told[0]
    found = statuses(one, "server", "workers")
    assert found["workers"][0] is Status.CRITICAL
    assert "an error of the server's own" in found["workers"][1]
    lab.write("login.lua", good)
    lab.reload()
    assert lab.login("alice", SECRET).ok
    assert statuses(one, "server", "workers") == {}


def test_a_query_that_fails_for_those_who_are_there(
    proof: Make, dovecot_version: str, tmp_path: Path
) -> None:
    """SQLite computes the row's fields only where there is a row: nobody's lookup is answered."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD, "bob": GOOD})
    one = Watched(told.lab, tmp_path)
    assert told.logins() == [True]
    assert statuses(one) == {}
    rewrite("SELECT ", "SELECT abs(-9223372036854775807 - 1) AS more, ")(told.lab)
    told.lab.restart()
    assert [told.lab.login(user, SECRET).ok for user in ("alice", "bob")] == [False, False]
    found = statuses(one)
    assert found["workers"][0] is Status.CRITICAL
    assert "Password query failed" in found["workers"][1]


def test_one_user_of_many(rig: MakeRig, dovecot_version: str, tmp_path: Path) -> None:
    """Another user's login works afterwards: no alarm for all."""
    homes = (
        "userdb {\n  driver = passwd-file\n  args = @DIR@/homes\n}\n"
        if dovecot_version < "2.4"
        else "userdb homes {\n  driver = passwd-file\n  passwd_file_path = @DIR@/homes\n}\n"
    )
    lines = "alice::5000:5000::@DIR@/mail/alice::\nbob::nosuchuser:5000::@DIR@/mail/bob::\n"
    part = passwd_file({"alice": GOOD, "bob": GOOD})
    lab = server(rig, dovecot_version, part, userdb=(homes, {"homes": lines}))
    one = Watched(lab, tmp_path)
    lab.login("bob", SECRET)
    lab.login("alice", SECRET)
    found = statuses(one, "server", "workers")
    assert Status.CRITICAL not in {status for status, _ in found.values()}, found
