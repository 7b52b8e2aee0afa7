"""Accounts that Dovecot reads itself: the passdbs passwd and shadow, and auth without a worker."""

import os

import pytest

from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, workers
from tests.proofs.test_pam import HASH, Make, store, yescrypt

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")


def test_passwd_takes_the_x_for_the_hash(proof: Make, dovecot_version: str) -> None:
    """With shadow passwords no password matches what passdb passwd reads."""
    one = proof(dovecot_version, "passwd", {"alice": HASH})
    one.finds(set(), password=SECRET)
    for stored, code in (("x", "ACCT004"), (None, "ACCT001"), (f"!{HASH}", "ACCT001")):
        one.lab.set_password("alice", stored)
        assert not one.lab.login("alice", SECRET).ok
        found = one.finds({code}, password=SECRET, login=True)
        assert "alice" in found[0].problem.says or '"x"' in found[0].problem.says
    one.lab.set_password("alice", HASH)
    one.finds({"PASS001"}, password=b"another")


@pytest.mark.dovecot("< 2.4")
def test_shadow_without_pam(proof: Make, dovecot_version: str) -> None:
    """2.3's passdb shadow refuses what is locked, knows no expiry, and must be asked as root."""
    one = proof(dovecot_version, "shadow", {"alice": HASH})
    for stored in (f"!{HASH}", "", None):
        one.lab.set_password("alice", stored)
        assert not one.lab.login("alice", SECRET).ok
        one.finds({"ACCT001"}, password=SECRET, login=True)
    one.lab.set_password("alice", f"!{HASH}")
    one.finds({"ACCT001", "PASS001"}, password=b"another")
    other = one.write("others", f"alice:{hashed(b'of the file')}\n")
    one.lab.configure(f"passdb {{\n  driver = passwd-file\n  args = {other}\n}}\n")
    one.lab.reload()
    assert not one.lab.login("alice", b"of the file").ok
    one.finds({"ACCT001"}, password=b"of the file")
    one.lab.configure("")
    one.lab.reload()
    one.lab.set_password("alice", HASH)
    store(one.lab).set_aging("alice", "0:0:90:7::1")
    assert one.lab.login("alice", SECRET).ok
    one.finds(set(), password=SECRET)
    one.lab.configure("service auth-worker {\n  user = dovecot\n}\n")
    one.lab.reload()
    assert not one.lab.login("alice", SECRET).ok
    one.finds({"ACCT003"}, password=SECRET, login=True)


@pytest.mark.parametrize("driver", ["passwd", "with shadow(5)"])
def test_auth_itself_asks(proof: Make, dovecot_version: str, driver: str) -> None:
    """Set not to go to a worker, auth verifies, under its own limit; as "dovecot" it reads no /etc/shadow."""
    old, reads = dovecot_version < "2.4", driver == "passwd"
    stay = "args = blocking=no" if old else "passdb_use_worker = no"
    name = driver if reads else "shadow" if old else "pam"
    one = proof(dovecot_version, name, {"alice": yescrypt("9") if reads else HASH}, passdb_extra=stay)
    assert one.logins() == [reads]
    assert not workers(one.lab)
    if not reads:
        for login in (False, True):
            [found] = one.finds({"ACCT003"}, password=SECRET, login=login)
            assert "auth itself asks passdb 1" in found.problem.says
            assert "blocking=no" in found.problem.remedy.summary
        return
    one.finds(set(), password=SECRET)
    one.lab.set_password("alice", yescrypt("D"))
    assert one.logins() == [False]
    [found] = one.finds({"MEM001"}, password=SECRET)
    assert "the auth process that verifies it" in found.problem.says
