"""PAM asked on demand about the password that was given: one attempt, by the lab's own service."""

import os
from collections.abc import Callable

import pytest

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.evidence import PamAnswer
from mailauth.finding import Certainty
from mailauth.hashes import Password
from tests.cli.running import mailauth
from tests.proofs.story import SECRET, Proof, record
from tests.proofs.test_pam import END, HASH, UNIX, store

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")
Make = Callable[..., Proof]


def asked(one: Proof, password: bytes) -> tuple[dict[str, Certainty], str]:
    """What is found where PAM is asked, and what it said."""
    given = Password(password)
    looked = look(Target(one.user, at_pid(one.lab.master_pid, None), given, binds=True, asks_pam=True))
    assert not looked.diagnosis.undecided, [each.missing.reason for each in looked.diagnosis.undecided]
    assert HASH not in repr(looked.diagnosis)
    said = next((each.text for each in looked.diagnosis.evidence if isinstance(each, PamAnswer)), "")
    return {each.rule.code: each.problem.certainty for each in looked.diagnosis.findings}, said


@pytest.mark.dovecot("< 2.4")  # the machine's own: another root has a PAM of its own
def test_pam_is_asked_on_demand(proof: Make, dovecot_version: str) -> None:
    """Once, as the worker asks, where a module that mailauth does not follow has a say."""
    one = proof(dovecot_version, "pam", {"alice": HASH})
    tallies = one.lab.folder / "tallies"
    tallies.mkdir()
    lock = f"pam_faillock.so %s dir={tallies} deny=9 unlock_time=600\n"
    unknown = "auth [success=2 default=ignore] pam_userdb.so db=/nonexistent use_first_pass\n"
    unix = UNIX.replace("success=1", "success=3")
    text = f"auth required {lock % 'preauth'}{unix}{unknown}auth [default=die] {lock % 'authfail'}{END}"
    store(one.lab).set_services({"common-auth": text})
    assert one.lab.login("alice", SECRET).ok
    assert asked(one, SECRET) == ({}, "passdb 1 (pam), service 'dovecot', user alice: takes the password")
    found, said = asked(one, b"another")
    assert found == {"PAM004": Certainty.PROVEN}
    words = said.partition("user alice: ")[2].partition(" (")[0]
    assert words.startswith("pam_authenticate() failed: ")
    assert len((tallies / "alice").read_bytes()) // 64 == 1, "one question is one attempt"
    which = ("diagnose", "alice", "--pid", str(one.lab.master_pid), "--password-stdin", "--ask-pam")
    told = mailauth(*which, feed="another\n").stdout
    assert "BLOCKS LOGIN  PAM004" in told
    assert "another" not in told
    assert not one.lab.login("alice", b"another").ok
    assert one.lab.logs(words), "Dovecot's worker was told the same"
    record(one.lab, "PAM refuses by a module that is not followed", ("PAM004",))
    store(one.lab).set_aging("alice", "0:0:99999:7::")
    assert not one.lab.login("alice", SECRET).ok
    found, said = asked(one, SECRET)
    assert found.keys() == {"ACCT002"}, "it says why"
    assert "pam_acct_mgmt() failed: Authentication token is no longer valid" in said
    done = mailauth("diagnose", "alice", "--pid", str(one.lab.master_pid), "--ask-pam")
    assert (done.returncode, "--ask-pam needs the password" in done.stderr) == (2, True)
