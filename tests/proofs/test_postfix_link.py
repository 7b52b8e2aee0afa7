"""A Postfix that cannot ask auth: its socket is closed to it, not there, or answers something else."""

import os
from collections.abc import Callable

import pytest

from mailauth.lab import Lab
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
CLOSED = "service auth {\n  unix_listener auth-postfix {\n    mode = 0600\n    user = root\n  }\n}\n"


def closed(lab: Lab) -> None:
    lab.configure(CLOSED)
    lab.reload()


def gone(lab: Lab) -> None:
    lab.auth_socket.with_name("auth-postfix").unlink()


def userdb(lab: Lab) -> None:
    assert lab.postfix
    lab.postfix.configure(lab.auth_socket.with_name("auth-userdb"), None)


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix runs as root only")
@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (closed, "mode 0600, of root:root): postfix, whom smtpd runs as, may not write to it"),
        (gone, "there is no such socket"),
        pytest.param(userdb, "takes no logins of a client", marks=pytest.mark.dovecot("< 2.4")),
    ],
)
def test_auth018_postfix_cannot_ask(
    proof: Make, dovecot_version: str, breaks: Callable[[Lab], None], says: str
) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, postfix=True)
    assert one.logins() == [True]
    one.finds(set(), password=SECRET)
    breaks(one.lab)
    found = one.finds({"AUTH018"}, password=SECRET)
    assert says in found[0].problem.says
    assert "auth-" in found[0].problem.says
    one.lab.configure("")
    one.lab.restart()
    assert one.lab.postfix
    one.lab.postfix.configure(one.lab.auth_socket.with_name("auth-postfix"), None)
    one.finds(set(), password=SECRET)
    record(one.lab, f"Postfix cannot ask auth: {breaks.__name__}", ("AUTH018",))
