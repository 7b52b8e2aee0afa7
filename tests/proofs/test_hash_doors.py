"""Entries that let in more than they should, and hashes that no damage was done to."""

import hashlib

import pytest

from mailauth.finding import Severity
from mailauth.hashes import Password, generate
from tests.proofs.story import SECRET, Fault, record
from tests.proofs.test_hash_damage import BCRYPT, GOOD, PLAIN, Make, bare

# Whom it lets in besides

DOORS = {
    "{PLAIN-TRUNC}0-": ("HASH023", b"anything"),
    "{PLAIN-TRUNC}-": ("HASH023", b"anything"),
    "{PBKDF2}$1$salt$0$" + "0" * 40: ("HASH023", b"anything"),
    "{PLAIN-TRUNC}3-cor": ("HASH023", b"corX"),
    "{PLAIN}": ("HASH025", b""),
    generate("SSHA", Password(b"")): ("HASH025", b""),
    "{PLAIN-MD5}" + hashlib.md5(b"", usedforsecurity=False).hexdigest(): ("HASH025", b""),
    "{PLAIN}" + bare(BCRYPT): ("HASH024", bare(BCRYPT).encode()),
    "{CLEARTEXT}" + bare(GOOD): ("HASH024", bare(GOOD).encode()),
}


@pytest.mark.parametrize("store", ["passwd-file", "sqlite"])
def test_doors_that_stand_open(proof: Make, dovecot_version: str, store: str) -> None:
    """Another password than the right one logs in: for real, and the rule says so."""
    weak = "auth_allow_weak_schemes = yes\n" if dovecot_version >= "2.4" else ""
    rows = {f"user{number}": stored for number, stored in enumerate(DOORS)}
    told = proof(dovecot_version, store, rows, settings=weak)
    for user, stored in rows.items():
        code, other = DOORS[stored]
        told.user = user
        assert told.lab.login(user, other).ok
        found = {finding.rule.code for finding in told.look().diagnosis.findings}
        beside = {"HASH012"} if code == "HASH024" else {"HASH029"} if stored == "{PLAIN}" else set()
        assert found == {code} | beside
        given = told.look(password=other).diagnosis.findings
        blocks = {finding.rule.code for finding in given if finding.severity is Severity.BLOCKS_LOGIN}
        assert not blocks, (stored, blocks)
        record(told.lab, stored.partition("}")[0] + "}, open", found)
    good = dict.fromkeys(rows, GOOD)
    told.lab.set_users(good)
    assert not any(
        told.lab.login(user, other).ok for user, (_, other) in zip(rows, DOORS.values(), strict=True)
    )
    told.finds(set(), password=SECRET)


@pytest.mark.parametrize("stored", [None, GOOD], ids=["no password", "a hash beside it"])
def test_hash023_nopassword(proof: Make, dovecot_version: str, stored: str | None) -> None:
    """2.4 does not look at the hash beside nopassword; 2.3 takes no notice of nopassword beside a hash."""
    user = "%u" if dovecot_version < "2.4" else "%{user}"
    query = f"SELECT userid AS user, password, 'y' AS nopassword FROM users WHERE userid = '{user}'"
    told = proof(dovecot_version, "sqlite", {"alice": stored}, query=query)
    opens = told.lab.login("alice", b"anything").ok
    assert opens == (stored is None or dovecot_version >= "2.4")
    told.finds({"HASH023"} if opens else set())


def test_a_hash_with_its_scheme_as_password_noscheme(proof: Make, dovecot_version: str) -> None:
    user = "%u" if dovecot_version < "2.4" else "%{user}"
    query = f"SELECT userid AS user, password AS password_noscheme FROM users WHERE userid = '{user}'"
    told = proof(dovecot_version, "sqlite", {"alice": GOOD}, query=query)
    assert told.logins() == [False]
    for given in (SECRET, None):
        codes = {one.rule.code for one in told.look(password=given).diagnosis.findings}
        assert codes - {"HASH024"} == {"HASH001"}
    record(told.lab, "{SCHEME} in password_noscheme", {"HASH001"})


def test_a_condition_in_place_of_a_hash(proof: Make, dovecot_version: str) -> None:
    """Whatever the default scheme is: || is OR to MariaDB."""
    user = "%u" if dovecot_version < "2.4" else "%{user}"
    query = (
        f"SELECT userid AS user, '{{ARGON2ID}}' || password AS password FROM users WHERE userid = '{user}'"
    )
    told = proof(dovecot_version, "mysql", {"alice": bare(GOOD)}, query=query)
    assert told.logins() == [False]
    found = [one for one in told.look(password=SECRET).diagnosis.findings if one.rule.code == "HASH001"]
    assert "takes || for OR" in found[0].problem.says
    record(told.lab, "|| in MariaDB", {"HASH001"})


def test_hash024_beside_hash004(proof: Make, dovecot_version: str, store: str) -> None:
    """With the default scheme PLAIN, on any Dovecot: the right password fails, the hash's text logs in."""
    line = PLAIN[dovecot_version[:3]]
    if store == "passwd-file":
        pytest.skip("2.3 sets it in the args of the passdb, which the lab has no word for")
    told = proof(dovecot_version, store, {"alice": GOOD}, sql_extra=line)
    assert told.default_scheme == "PLAIN"
    told.story(Fault(users={"alice": bare(GOOD)}), {"HASH004", "HASH024"}, answers=[False])
    told.lab.set_password("alice", bare(GOOD))
    assert told.lab.login("alice", bare(GOOD).encode()).ok
