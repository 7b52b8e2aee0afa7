"""What mailauth asks of Dovecot is no login of the user's: no command counts what Dovecot logs of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.check.outcome import Status
from mailauth.dovecot.logreading import read_logs
from mailauth.dovecot.logreport import Reading
from mailauth.evidence import Logins, UserInLog
from mailauth.finding import Diagnosis
from tests.check.conftest import Watched
from tests.proofs.conftest import proof as proof  # noqa: PLC0414 - the fixture, by its own name
from tests.proofs.story import SECRET, Proof

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a user's mail needs another uid")
Make = Callable[..., Proof]
ONLY_VERIFIES = "passdb doesn't support lookups"


def in_log(diagnosis: Diagnosis) -> UserInLog:
    return next(one for one in diagnosis.evidence if isinstance(one, UserInLog))


# A static userdb asks the passdb: one that only verifies, and one whose program ends with an error.
@pytest.mark.parametrize(
    ("version", "store", "logged"),
    [
        ("2.4.1", "imap", ONLY_VERIFIES),
        ("2.3.19.1", "checkpassword", "exited with status 1"),
    ],
)
def test_nobody_failed_to_log_in(proof: Make, version: str, store: str, logged: str, tmp_path: Path) -> None:
    one = proof(version, store, {"alice": SECRET.decode()}, protocols=("imap",))
    log = one.lab.folder / "log"
    watched = Watched(one.lab, tmp_path)
    for _ in range(2):
        assert in_log(one.look().diagnosis).failures == 0
    if logged == ONLY_VERIFIES:
        one.lab.run("doveadm", "user", "alice")  # somebody else's lookup
    assert logged in log.read_text()
    refused = one.look(password=b"another", login=True).diagnosis
    assert not any(
        reply.ok for fact in refused.evidence if isinstance(fact, Logins) for reply in fact.replies
    )
    told = in_log(refused)
    assert (told.failures, told.reasons, told.of_clients.failing, told.sent) == (0, (), 0, ())
    assert told.of_ours.failing == 2  # at the socket, and by doveadm auth test
    says = next(one.problem.says for one in refused.findings if one.rule.code == "AUTH016")
    assert told.of_ours.reasons[0] in says
    assert logged not in says
    found = watched.run("workers", "failures").outcomes
    assert {each.check: each.status for each in found} == {"workers": Status.OK, "failures": Status.OK}
    assert "since the last run: none" in str(found)
    assert read_logs(Reading((log,))).failures == 0
    assert not one.lab.login("alice", b"another", address="192.0.2.1").ok  # that is one
    assert read_logs(Reading((log,))).failures == 1
    assert in_log(one.look().diagnosis).failures == 1
