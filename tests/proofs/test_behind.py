"""AUTH022 and AUTH023 on the lab's own stores: OAuth2, another IMAP server, a dict, checkpassword."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.logreading import read_logs
from mailauth.dovecot.logreport import Reading
from mailauth.errors import CannotObserve
from mailauth.finding import Finding, Severity
from mailauth.lab import Lab
from mailauth.lab.stores.imap import Imap
from mailauth.lab.stores.oauth2 import OAuth2
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, Proof, record

Make = Callable[..., Proof]
CODES = {"AUTH022", "AUTH023"}


def told(one: Proof) -> list[Finding]:
    """Of a user, and of nobody: the same."""
    found = [each for each in one.look().diagnosis.findings if each.rule.code in CODES]
    checkup = look_at_all(Checkup(at_pid(one.lab.master_pid, None))).diagnosis
    assert not [each for each in checkup.undecided if each.rule.code in CODES]
    assert [each.rule.code for each in checkup.findings if each.rule.code in CODES] == [
        each.rule.code for each in found
    ]
    return found


@contextmanager
def edited(lab: Lab, name: str, old: str, new: str) -> Iterator[None]:
    """The settings of the passdb with something else in them: ``name`` of 2.3's file."""
    path = lab.config if lab.dialect == "2.4" or not name else lab.folder / name
    text = path.read_text()
    changed = re.sub(old, new, text)
    assert changed != text
    path.write_text(changed)
    lab.reload()
    yield
    path.write_text(text)
    lab.reload()


def not_reached(one: Proof, words: str, fault: str) -> None:
    [found] = told(one)
    assert found.rule.code == "AUTH022"
    assert found.severity is Severity.BLOCKS_LOGIN
    assert words in found.problem.says, found.problem.says
    assert not one.lab.login("alice", SECRET).ok
    done = mailauth("check", "--pid", str(one.lab.master_pid), "--state", str(one.lab.folder / "k"), "server")
    assert done.returncode == 2
    assert "AUTH022" in done.stdout, done.stdout
    assert "of-the-lab" not in done.stdout + found.problem.says
    record(one.lab, fault, ("AUTH022",))


def test_auth022_oauth2s_server(proof: Make, dovecot_version: str) -> None:
    """Down; and the token alone makes its mechanisms work, without which they are no use."""
    one = proof(dovecot_version, "oauth2", {"alice": "a-token"})
    assert isinstance(one.lab.store, OAuth2)
    assert not told(one)
    port, gone = one.lab.store.place.port, one.lab.free_port()
    with edited(one.lab, "dovecot-oauth2.conf.ext", rf"\b{port}\b", str(gone)):
        not_reached(one, f"introspection_url 127.0.0.1:{gone}: Connection refused", "OAuth2's server is down")
    with ExitStack() as changed:
        changed.enter_context(edited(one.lab, "", r" xoauth2 oauthbearer", ""))
        if one.lab.dialect == "2.4":  # whose passdb oauth2 takes a password to grant_url, for a token
            assert not told(one)
            assert one.lab.login("alice", b"a-token").ok
            changed.enter_context(edited(one.lab, "", r"  grant_url = .*\n", ""))
            assert not one.lab.login("alice", b"a-token").ok
        [found] = told(one)
        assert found.rule.code == "AUTH023"
        assert "has neither xoauth2 nor oauthbearer" in found.problem.says
        one.paste([found])
        assert not told(one)
        one.lab.configure("")
        one.lab.reload()
    record(one.lab, "a passdb takes tokens, and no mechanism brings them", ("AUTH023",))
    assert not told(one)


@pytest.mark.dovecot("< 2.4")
def test_auth023_tokens_for_a_passdb_of_passwords(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": hashed(SECRET)})
    assert not told(one)
    one.lab.configure("auth_mechanisms = plain login xoauth2\n")
    one.lab.reload()
    [found] = told(one)
    assert "auth offers XOAUTH2, and no passdb takes tokens" in found.problem.says
    one.paste([found])
    assert not told(one)
    assert one.logins() == [True]
    record(one.lab, "a mechanism for tokens, and no passdb that takes them", ("AUTH023",))


@pytest.mark.dovecot(">= 2.4")
def test_auth023_auth_does_not_start(proof: Make, dovecot_version: str) -> None:
    """2.4 wants oauth2 settings where a mechanism for tokens is offered."""
    one = proof(dovecot_version, "passwd-file", {"alice": hashed(SECRET)})
    one.lab.configure("auth_mechanisms = plain xoauth2\n")
    assert one.lab.run("doveadm", "reload").returncode == 0
    end = time.monotonic() + 60
    while "Cannot initialize oauth2" not in one.lab.log():  # the auth from before may answer once more
        with suppress(CannotObserve):
            one.lab.login("alice", SECRET)
        assert time.monotonic() < end
        time.sleep(0.1)
    [found] = told(one)
    assert found.severity is Severity.BLOCKS_LOGIN
    assert "oauth2_introspection_mode is not set: the auth process does not start" in found.problem.says
    one.lab.configure(found.problem.remedy.config["2.4"] + "\n")
    one.lab.restart()
    assert one.logins() == [True]
    assert not told(one)
    record(one.lab, "a mechanism for tokens, and no oauth2 settings", ("AUTH023",))


def test_auth022_an_imap_server(proof: Make, dovecot_version: str) -> None:
    one = proof(dovecot_version, "imap", {"alice": hashed(SECRET)})
    assert isinstance(one.lab.store, Imap)
    assert one.logins() == [True]
    assert not told(one)
    assert not one.lab.login("alice", b"a slip").ok  # which is no fault of that server's
    assert one.lab.logs("[AUTHENTICATIONFAILED]")
    assert "AUTH017" not in {each.rule.code for each in one.look().diagnosis.findings}
    [row] = read_logs(Reading((one.lab.folder / "log",))).rows
    assert (row.failures, row.cause) == (1, "the IMAP server behind refuses this name and password")
    one.lab.store.other.stop()
    port = one.lab.store.place.port
    not_reached(one, f"host 127.0.0.1:{port}: Connection refused", "the IMAP server behind is down")


@pytest.mark.dovecot("< 2.4")
def test_auth022_a_dict_and_a_program(proof: Make, dovecot_version: str) -> None:
    """Both are 2.3's alone: a file that is gone, a socket without a server, a program that may not be run."""
    one = proof(dovecot_version, "dict", {"alice": hashed(SECRET)})
    assert one.logins() == [True]
    assert not told(one)
    with edited(one.lab, "dovecot-dict-auth.conf.ext", "uri = file:.*", "uri = proxy:/run/nobody/dict:users"):
        not_reached(one, "uri /run/nobody/dict: No such file or directory", "no dict server has that socket")
    one = proof(dovecot_version, "checkpassword", {"alice": hashed(SECRET)})
    assert one.logins() == [True]
    assert not told(one)
    path = one.lab.store.path
    assert path
    path.chmod(0o640)
    [found] = told(one)
    assert f"args {path}: Permission denied: it may not be run" in found.problem.says
    assert not one.lab.login("alice", SECRET).ok
    path.chmod(0o750)
    assert one.lab.login("alice", SECRET).ok
    assert not told(one)
    record(one.lab, "checkpassword's program may not be run", ("AUTH022",))
    text = path.read_text()
    path.write_text(text.replace("#!/bin/sh", "#!/nonexistent/sh"))
    [found] = told(one)
    assert "its interpreter /nonexistent/sh is not there" in found.problem.says
    assert not one.lab.login("alice", SECRET).ok
    assert one.lab.logs("exited with status 84")
    path.write_text(text)
    assert os.access(path, os.X_OK)
