"""What PAM's modules say in the system's log, as syslog and the journal have it."""

import json

import pytest

from mailauth.dovecot.pamlog import of_journal, said_of

SERVICES = frozenset({"dovecot"})
AGED = "pam_unix(dovecot:account): expired password for user alice (password aged)"
ABSENT = "PAM unable to dlopen(pam_sss.so): /lib/security/pam_sss.so: cannot open shared object file"


@pytest.mark.parametrize("stamp", ["Nov 29 23:57:03", "2026-11-29T23:57:03"])
def test_of_the_user_in_the_service(stamp: str) -> None:
    """Each once, the newest last; nothing of another user, another service, or a part of the name."""
    lines = [
        f"{stamp} host auth: {AGED}",
        f"{stamp} host auth[12]: {ABSENT}",
        f"{stamp} host auth: {AGED.replace('alice', 'alice-2')}",
        f"{stamp} host auth: {AGED.replace('dovecot', 'sshd')}",
        f"{stamp} host auth: {AGED}",
        "\x00" * 4096,
    ]
    assert list(said_of(lines, "alice", SERVICES).items()) == [(ABSENT, stamp), (AGED, stamp)]
    assert list(said_of(lines, "eve", SERVICES)) == [ABSENT]


def test_the_journals_lines() -> None:
    good = {"__REALTIME_TIMESTAMP": "1795996623000000", "MESSAGE": AGED}
    said = [
        json.dumps(one).encode() for one in (good, {"MESSAGE": "no time"}, ["none"], good | {"MESSAGE": [1]})
    ]
    lines = of_journal(b"\n".join([*said, b"{", b"\xff"]))
    assert said_of(lines, "alice", SERVICES) == {AGED: "2026-11-29T23:57:03"}
