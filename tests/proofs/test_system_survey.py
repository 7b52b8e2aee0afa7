"""Every row of the system's accounts: checkup, audit and memory fit on PAM, shadow and passwd."""

import os
from collections.abc import Callable

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Diagnosis
from mailauth.lab import Lab
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, Proof
from tests.proofs.test_pam import UNIX, store, yescrypt

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")
HASH = hashed(SECRET).removeprefix("{SHA512-CRYPT}")
_SMALL = "service auth-worker {\n  vsz_limit = 32M\n}\n"


def _whole(one: Lab) -> Diagnosis:
    return look_at_all(Checkup(at_pid(one.master_pid, None))).diagnosis


def test_checkup_reads_the_accounts_that_pam_compares(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Decided on Debian's own service; an account that is locked is no row, and passwd(1) is the remedy."""
    users = {"alice": yescrypt("9"), "bob": f"!{HASH}"}
    with lab(dovecot_version, "pam", users) as one:
        told = _whole(one)
        assert not told.undecided
        assert not any(finding.rule.code.startswith("STORE") for finding in told.findings)
        store(one).set_users({**users, "carol": HASH, "dave": "$6$saltsalt$cut"})
        told = _whole(one)
        assert not told.undecided
        found = {finding.rule.code: finding.problem for finding in told.findings}
        assert "1 of 3 rows" in found["STORE001"].says
        assert "(dave)" in found["STORE001"].says
        assert not found["STORE001"].remedy.commands, "mailauth migrate changes no accounts"
        assert "(carol)" in found["STORE006"].says
        assert "change their passwords by passwd" in found["STORE006"].remedy.summary
        assert found.keys() & {f"STORE{n:03}" for n in range(1, 13)} == {"STORE001", "STORE006"}
        shown = mailauth("audit", "--pid", str(one.master_pid)).stdout
        assert "/etc/shadow: 3 rows; what has no {SCHEME} is CRYPT" in shown
        assert HASH not in shown


def test_the_largest_of_the_accounts(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """16 MiB in 32: too little for the worker of Debian 12; what Debian 13's helper has room for is open."""
    with lab(dovecot_version, "pam", {"alice": yescrypt("9")}, _SMALL) as one:
        told = _whole(one)
        works = Proof(one, "alice").logins() == [True]
        assert works == dovecot_version.startswith("2.4")
        codes = {finding.rule.code for finding in told.findings}
        if works:
            assert "STORE004" not in codes
            assert {each.rule.code for each in told.undecided} == {"STORE004"}
            assert all("unix_chkpwd" in each.missing.reason for each in told.undecided)
        else:
            assert "STORE004" in codes
            assert not told.undecided


def test_another_module_leaves_it_open(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Rows of /etc/shadow tell nothing where somebody else may say yes, or everybody is let in."""
    with lab(dovecot_version, "pam", {"alice": HASH}) as one:
        end = "auth requisite pam_deny.so\nauth required pam_permit.so\n"
        asks = f"auth [success=2 default=ignore] pam_of_nobody.so\n{UNIX}{end}"
        store(one).set_services({"common-auth": asks.replace("pam_of_nobody", "pam_exec")})
        told = {each.rule.code: each.missing.reason for each in _whole(one).undecided}
        assert "pam_exec" in told["STORE001"]
        store(one).set_services({"common-auth": "auth required pam_permit.so\n"})
        told = {each.rule.code: each.missing.reason for each in _whole(one).undecided}
        assert "answers everybody alike" in told["STORE001"]
        assert Proof(one, "alice").logins() == [True]


@pytest.mark.parametrize("driver", ["shadow", "passwd"])
def test_shadow_and_passwd(lab: Callable[..., Lab], driver: str) -> None:
    """Of 2.3, which has both."""
    with lab("2.3.19.1", driver, {"alice": HASH, "bob": "!", "eve": "$6$saltsalt$cut"}) as one:
        told = _whole(one)
        assert "STORE001" not in {each.rule.code for each in told.undecided}
        found = {finding.rule.code: finding.problem.says for finding in told.findings}
        assert "1 of 2 rows" in found["STORE001"]
        assert "(eve)" in found["STORE001"]
        assert "STORE012" not in found
