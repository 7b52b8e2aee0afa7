"""What is said of the stored string where Dovecot is handed none."""

import os
from collections.abc import Callable

import pytest

from mailauth.clients.door import Answer
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.login.enter import log_in
from mailauth.login.judge import judge
from mailauth.login.site import look_at
from mailauth.login.way import Attempt, Layer
from mailauth.login.ways import Choice, ways
from tests.proofs.story import SECRET
from tests.proofs.test_pam import FAULTS, HASH, broken

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")


def tried(lab: Lab, password: bytes = SECRET) -> list[Attempt]:
    site = look_at(at_pid(lab.master_pid, None))
    return list(log_in(ways(site, Choice(mechanisms=("PLAIN",))), "alice", Password(password), site))


def offline(done: list[Attempt]) -> Attempt:
    return next(one for one in done if one.way.layer is Layer.HASH)


def test_a_directory_that_verifies_by_a_bind(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "ldap-bind", {"alice": SECRET.decode()}) as one:
        done = tried(one)
        assert judge(done).faults == ()
        assert [each.way.name for each in done if not each.ok] == ["hash, offline"]
        assert offline(done).answer is Answer.NOT_TRIED
        assert "by a bind" in offline(done).said
        wrong = tried(one, b"another")
        assert offline(wrong).answer is Answer.NOT_TRIED
        assert [fault.breaks.value for fault in judge(wrong).faults] == ["passdb"]


def test_an_account_that_pam_refuses(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Its password is stored: it is locked, or has expired, and only one without any has none."""
    with lab(dovecot_version, "pam", {"alice": HASH}) as one:
        assert judge(tried(one)).faults == ()
        for fault in (each for each in FAULTS if each.code in ("ACCT001", "ACCT002")):
            with broken(one, fault):
                said = offline(tried(one)).said
                assert fault.words in said, fault.name
                assert "no password is stored" not in said
