"""nopassword where any password logs in, and where the database has compared: HASH023, CONF022, PASS012."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password
from mailauth.lab import Lab
from tests.proofs.story import SECRET, MiB, Proof, argon2id

GOOD = argon2id(memory=1 * MiB)
Make = Callable[..., Proof]
SQL = ("sqlite", "mysql")


@pytest.mark.dovecot("< 2.4")
def test_hash023_a_static_passdb_before_another(proof: Make, dovecot_version: str) -> None:
    """Its password is not looked at, and the other passdb is not asked: there is no mismatch to log."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    config = told.lab.config.read_text()
    static = "passdb {\n  driver = static\n  args = nopassword=y password=x\n}\n"
    told.lab.config.write_text(config.replace("passdb {", static + "passdb {", 1))
    told.lab.restart()
    for password in (b"wrong", SECRET, None):
        if password:
            assert told.lab.login("alice", password).ok
        [found] = told.finds({"HASH023"}, password=password)
    assert "static" in found.problem.says


def comparing(version: str, condition: str) -> str:
    user, password = ("%u", "%w") if version.startswith("2.3") else ("%{user}", "%{password}")
    query = f"SELECT NULL AS password, 'Y' AS nopassword FROM users WHERE userid = '{user}' AND {condition}"
    return query.replace("GIVEN", password)


@pytest.mark.parametrize("store", SQL)
def test_conf022_the_database_compares(proof: Make, dovecot_version: str, store: str) -> None:
    """Dovecot documents this; it lets in the right password only."""
    query = comparing(dovecot_version, "'GIVEN' = password")
    told = proof(dovecot_version, store, {"alice": SECRET.decode()}, query=query)
    assert told.logins() == [True]
    assert not told.lab.login("alice", b"wrong").ok
    told.finds({"CONF022"}, password=SECRET)
    found = told.finds({"CONF022", "PASS012"}, password=b"wrong")
    [refused] = [one for one in found if one.rule.code == "PASS012"]
    assert "= password" in refused.problem.says
    [nobody] = [one for one in of(told.lab, "nobody") if one != "CONF022"]
    assert nobody == "USER001"


def of(lab: Lab, user: str, password: bytes = SECRET) -> list[str]:
    given = Password(password)
    said = look(Target(user, at_pid(lab.master_pid, None), given)).diagnosis
    return [one.rule.code for one in said.findings]


@pytest.mark.parametrize("store", [*SQL, "pgsql"])
def test_what_the_server_quotes_of_the_statement_is_left_out(
    proof: Make, dovecot_version: str, store: str
) -> None:
    """The password as a column's name: the server's error quotes it."""
    told = proof(dovecot_version, store, {"alice": "x"}, query=comparing(dovecot_version, "GIVEN = password"))
    given = b"hidden_from_view"
    assert not told.lab.login("alice", given).ok
    looked = look(Target("alice", at_pid(told.lab.master_pid, None), Password(given)))
    assert "DB004" in {one.rule.code for one in looked.diagnosis.findings}
    assert given.decode() not in repr(looked.diagnosis.findings)
    assert given.decode() not in "".join(
        fact.seen for fact in looked.diagnosis.evidence if hasattr(fact, "seen")
    )


@pytest.mark.parametrize("address", ["192.0.2.7", ""])
def test_a_query_that_asks_where_the_client_is(proof: Make, dovecot_version: str, address: str) -> None:
    """Auth is asked about the client's address, and a session of our own comes from here: no AUTH013."""
    user, rip = ("%u", "%r") if dovecot_version.startswith("2.3") else ("%{user}", "%{remote_ip}")
    query = (
        f"SELECT userid AS user, password FROM users WHERE userid = '{user}' AND '{rip}' LIKE '192.0.2.%%'"
    )
    told = proof(
        *(dovecot_version, "sqlite", {"alice": GOOD}),
        protocols=("imap",),
        query=query if dovecot_version.startswith("2.3") else query.replace("%%", "%"),
    )
    told.address = address
    assert told.logins() == [bool(address)]
    codes = {one.rule.code for one in told.look(password=SECRET, login=True).diagnosis.findings}
    assert "AUTH013" not in codes
    if address:
        assert codes == set()


@pytest.mark.parametrize(
    ("setting", "value"), [("result_failure", "return-ok"), ("result_failure", "continue-ok")]
)
def test_hash023_the_block_makes_a_success_of_a_refusal(
    proof: Make, dovecot_version: str, setting: str, value: str
) -> None:
    """Any password logs in, and a user of no passdb does."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    config = told.lab.config.read_text()
    place = next(line for line in config.splitlines() if line.startswith("passdb"))
    told.lab.config.write_text(config.replace(place, f"{place}\n  {setting} = {value}", 1))
    told.lab.restart()
    for password in (b"wrong", None):
        assert told.lab.login("alice", b"wrong").ok
        [found] = told.finds({"HASH023"}, password=password)
        assert f"{setting} = {value} (" in found.problem.says
        assert f"{setting} = {value}" in found.problem.remedy.summary
    assert told.lab.login("nobody", b"wrong").ok
    assert of(told.lab, "nobody") == ["HASH023"]
    assert opened(told) == [f"{setting} = {value}"]
    told.lab.config.write_text(config)
    told.lab.restart()
    assert not told.lab.login("alice", b"wrong").ok
    told.finds(set(), password=SECRET)
    assert opened(told) == []


def test_hash023_the_block_makes_a_success_of_a_store_that_fails(proof: Make, dovecot_version: str) -> None:
    """Without a user, too; and not while the store answers."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    config = told.lab.config.read_text()
    place = next(line for line in config.splitlines() if line.startswith("passdb"))
    setting = "result_internalfail = return-ok"
    told.lab.config.write_text(config.replace(place, f"{place}\n  {setting}", 1))
    told.lab.restart()
    assert not told.lab.login("alice", b"wrong").ok
    assert opened(told) == []
    assert told.lab.store.path
    with closing(sqlite3.connect(told.lab.store.path, isolation_level=None)) as link:
        link.execute("ALTER TABLE users RENAME TO away")
    assert told.lab.login("alice", b"wrong").ok
    assert opened(told) == [setting]


def opened(told: Proof) -> list[str]:
    """The settings that checkup names, which asks about nobody."""
    found = look_at_all(Checkup(at_pid(told.lab.master_pid, None))).diagnosis.findings
    return [
        one.problem.remedy.summary.removeprefix("Remove ").partition(" (")[0]
        for one in found
        if one.rule.code == "HASH023"
    ]
