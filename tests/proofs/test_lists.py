"""Lists of words: in 2.3 a line, in 2.4 a line or a block of yes and no.  What auth offers is the judge."""

import os
import re
from collections.abc import Callable

import pytest

from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.lab import Lab
from mailauth.login.site import look_at
from tests.proofs.story import MiB, Proof, argon2id

GOOD = argon2id(memory=1 * MiB)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has mail of several uids")


def rewritten(lab: Lab, pattern: str, text: str) -> None:
    """Another text in the main file, and a Dovecot that has read it."""
    old = lab.config.read_text()
    new, count = re.subn(pattern, lambda _: text, old, flags=re.MULTILINE | re.DOTALL)
    assert count == 1
    lab.config.write_text(new)
    lab.restart()


@pytest.mark.parametrize(
    "text",
    [
        "auth_mechanisms = plain login",
        "auth_mechanisms = plain, login",
        "auth_mechanisms {\n  login = yes\n}",
        "auth_mechanisms {\n  plain = no\n  cram-md5 = yes\n}",
        "auth_mechanisms = cram-md5\nauth_mechanisms {\n  login = yes\n  plain = yes\n  cram-md5 = no\n}",
    ],
)
def test_the_mechanisms_are_those_that_auth_offers(lab: Callable[..., Lab], text: str) -> None:
    with lab("2.4.1", "passwd-file", {"alice": GOOD}, f"{text}\n") as one:
        with AuthSocket(one.auth_socket) as auth:
            offered = {line.split("\t")[1] for line in auth.greeting if line.startswith("MECH\t")}
        assert set(read_config(at_pid(one.master_pid, None)).mechanisms) == offered


@as_root
def test_the_userdb_is_asked_where_protocols_is_a_block(proof: Callable[..., Proof]) -> None:
    """As Debian 13's own files write it.  Nothing of the userdb was asked, and nothing undecided."""
    told = proof("2.4.1", "passwd-file", {"alice": GOOD}, protocols=("imap",))
    rewritten(told.lab, r"^protocols = .*?\n", "protocols {\n  imap = yes\n}\n")
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    rewritten(told.lab, r"^    uid = \d+\n    gid = \d+\n", "")
    found = told.finds({"USERDB006"}, password=told.password)
    assert "no uid and no gid" in found[0].problem.says


@as_root
def test_the_login_socket_is_looked_at_where_protocols_is_a_block(proof: Callable[..., Proof]) -> None:
    told = proof("2.4.1", "passwd-file", {"alice": GOOD}, protocols=("imap",))
    told.lab.configure("service auth {\n  unix_listener login/login {\n    mode = 0600\n  }\n}\n")
    rewritten(told.lab, r"^protocols = .*?\n", "protocols {\n  imap = yes\n}\n")
    told.finds({"CONF017"})


def test_the_listeners_are_those_of_this_version(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """2.3's submission-login has no listener for 465, and 2.4's has one though nobody names it."""
    with lab(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("submission",), tls=True) as one:
        rewritten(one, r"^  inet_listener submissions \{.*?\n  \}\n", "")
        site = look_at(at_pid(one.master_pid, None))
        assert site.listening is not None
        opened = {endpoint.port for endpoint in site.listening.open}
        names = {each.name: each.port for each in site.listening.of("submission")}
        assert names == {"submission": one.ports["submission"]} | (
            {} if one.dialect == "2.3" else {"submissions": 465}
        )
        assert set(names.values()) <= opened
