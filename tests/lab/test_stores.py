"""The lab's other stores: each lets in who may, on each Dovecot that has the driver, and nobody else."""

import getpass
import json
import os
import pwd
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mailauth.clients.sasl import find
from mailauth.dovecot.authsocket import AuthReply, AuthSocket
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes import libcrypt
from mailauth.lab import KINDS, STORES, Lab
from mailauth.lab.stores.ldap import LdapStore
from mailauth.lab.stores.oauth2 import Jwt
from mailauth.lab.stores.system import Accounts
from tests.lab.test_command import start

OTHERS = [name for name in KINDS if name not in STORES]
ACCOUNTS = ("pam", "passwd", "shadow")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="accounts in a namespace of their own need root")


def hashed(password: bytes) -> str:
    """As every store but the tokens' keeps it."""
    library = libcrypt.load()
    assert library
    made = libcrypt.crypt(library, password, b"$6$ofthelab")
    assert made
    return f"{{SHA512-CRYPT}}{made.decode()}"


def token_login(one: Lab, mechanism: str, user: str, token: str) -> AuthReply:
    found = find(mechanism)
    assert found
    with AuthSocket(one.auth_socket) as auth:
        return auth.authenticate(mechanism, found.start(user, token.encode()).answer)


@pytest.mark.parametrize("kind", [name for name in OTHERS if KINDS[name].keeps == "hash"])
def test_who_may_log_in_does_and_nobody_else(
    lab: Callable[..., Lab], dovecot_version: str, kind: str
) -> None:
    if os.geteuid() != 0 and kind in ACCOUNTS:
        pytest.skip("accounts need root")
    if KINDS[kind].last == "2.3" and dovecot_version.startswith("2.4"):
        with (
            pytest.raises(UsageError, match=rf"^Dovecot 2\.4\S* has no passdb {kind}; 2\.3 was the last"),
            lab(dovecot_version, kind),
        ):
            pass
        return
    users = {"alice": hashed(b"secret"), "bob": hashed(b"bob's"), "nobody-yet": None}
    with lab(dovecot_version, kind, users) as one:
        assert sorted(one.store.users()) == sorted(users)
        assert one.store.users()["nobody-yet"] is None
        assert one.login("alice", b"secret").ok
        for user, password in (("alice", b"bob's"), ("nobody-yet", b"x"), ("eve", b"x")):
            assert not one.login(user, password).ok
        one.set_password("alice", hashed(b"sesame"))
        one.remove_user("bob")
        assert one.login("alice", b"sesame").ok
        assert not one.login("alice", b"secret").ok
        assert not one.login("bob", b"bob's").ok


@pytest.mark.parametrize("mechanism", ["PLAIN", "XOAUTH2", "OAUTHBEARER"])
def test_a_token_that_the_issuer_knows(lab: Callable[..., Lab], dovecot_version: str, mechanism: str) -> None:
    with lab(dovecot_version, "oauth2", {"alice": "of-alice", "bob": "{PLAIN}of-bob"}) as one:
        assert token_login(one, mechanism, "alice", "of-alice").ok
        assert token_login(one, mechanism, "bob", "of-bob").ok
        assert not token_login(one, mechanism, "alice", "of-nobody").ok
        assert not token_login(one, mechanism, "alice", "of-bob").ok
        one.remove_user("bob")
        assert not token_login(one, mechanism, "bob", "of-bob").ok


def test_a_signed_token(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "oauth2-jwt", {"alice": None}) as one:
        assert isinstance(one.store, Jwt)
        right = one.store.token("alice")
        head, body, _ = right.split(".")
        over = one.store.token("alice", iat=int(time.time()) - 200, exp=int(time.time()) - 100)
        assert token_login(one, "XOAUTH2", "alice", right).ok
        assert token_login(one, "OAUTHBEARER", "alice", right).ok
        for wrong in (over, one.store.token("bob"), f"{head}.{body}.{'A' * 43}", "no token"):
            assert not token_login(one, "XOAUTH2", "alice", wrong).ok
        assert one.logs("Token has expired")
        assert one.logs("did not match")


@as_root
@pytest.mark.parametrize("kind", ["pam", "passwd"])
def test_accounts_are_the_labs_own(lab: Callable[..., Lab], dovecot_version: str, kind: str) -> None:
    """No other process has the user, and no file of the machine, or of the unpacked root, changes."""
    user = "throw-away"
    with lab(dovecot_version, kind, {user: hashed(b"secret")}) as one:
        files = [(one.build.root or Path("/")) / "etc" / name for name in ("passwd", "shadow")]
        before = [file.read_bytes() for file in files]
        assert one.login(user, b"secret").ok
        with pytest.raises(KeyError):
            pwd.getpwnam(user)
        assert before == [file.read_bytes() for file in files]
        assert not any(user.encode() in text for text in before)
        assert not any(line.split(":")[1].startswith("$") for line in system_rows(one))


def system_rows(one: Lab) -> list[str]:
    """Lines of the lab's shadow file that are not of its users."""
    assert isinstance(one.store, Accounts)
    users = one.store.users()
    return [line for line in one.store.shadow.read_text().splitlines() if line.split(":")[0] not in users]


@as_root
def test_an_account_that_has_expired_and_another_service(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    with lab(dovecot_version, "pam", {"alice": hashed(b"secret"), "blank": ""}) as one:
        assert isinstance(one.store, Accounts)
        assert one.login("blank", b"anything").ok  # Debian's nullok
        one.store.set_aging("alice", "19000:0:99999:7::1")
        assert not one.login("alice", b"secret").ok
        assert one.logs("pam_acct_mgmt() failed")
        one.store.set_services({"dovecot": "auth required pam_permit.so\naccount required pam_permit.so\n"})
        assert one.login("alice", b"whatever").ok


def test_accounts_without_root_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        monkeypatch.setattr("mailauth.lab.stores.system.os.geteuid", lambda: 65534)
    with pytest.raises(CannotObserve, match=r"^Accounts for pam need root: have root start the lab\.$"):
        Lab(store="pam").__enter__()


@pytest.mark.parametrize("kind", ["ldap-starttls", "ldaps"])
def test_an_authority_that_dovecot_does_not_know(
    lab: Callable[..., Lab], dovecot_version: str, kind: str
) -> None:
    """So the certificate was looked at; and the directory lets nobody bind without TLS."""
    with lab(dovecot_version, kind, {"alice": hashed(b"secret")}) as one:
        assert one.login("alice", b"secret").ok
        assert isinstance(one.store, LdapStore)
        assert one.store.ca
        other = one.store.ca.read_text()
        with lab(None, kind) as another:
            assert isinstance(another.store, LdapStore)
            assert another.store.ca
            one.store.ca.write_text(another.store.ca.read_text())
            one.restart()
            assert not one.login("alice", b"secret").ok
            assert one.logs(
                "ldap_start_tls_s() failed" if kind == "ldap-starttls" else "Can't connect to server"
            )
        one.store.ca.write_text(other)
        one.restart()
        assert one.login("alice", b"secret").ok


def test_a_directory_keeps_any_user_and_runs_as_an_ordinary_one(lab: Callable[..., Lab]) -> None:
    odd = {
        "o'brien": "{PLAIN}secret",
        'a,b="c"': "{PLAIN}secret",
        " näme#@example.org ": "{PLAIN}x",
        "n": None,
    }
    with lab(None, "ldap", odd) as one:
        assert one.store.users() == odd
        one.set_password("n", "{PLAIN}new")
        assert one.store.users() == {**odd, "n": "{PLAIN}new"}
        assert isinstance(one.store, LdapStore)
        slapd = psutil.Process(one.store.server.pid)
        assert slapd.username() == ("openldap" if os.geteuid() == 0 else getpass.getuser())
        folder = one.folder
    assert not slapd.is_running()
    assert not folder.exists()


def test_a_directory_that_comes_back(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """With other rules, too: what is not readable for Dovecot is no password."""
    with lab(dovecot_version, "ldap", {"alice": hashed(b"secret")}) as one:
        assert isinstance(one.store, LdapStore)
        server = one.store.server
        assert one.login("alice", b"secret").ok
        server.stop()
        server.configure(rules="access to attrs=userPassword by anonymous auth by * none\n")
        server.start()
        one.restart()
        assert not one.login("alice", b"secret").ok
        assert one.logs("password")


@pytest.mark.parametrize(
    ("kind", "stored", "says"),
    [
        ("pam", "{PLAIN}secret", "pam keeps strings of crypt"),
        ("ldap-bind", "{ARGON2ID}$argon2id$", "slapd verifies"),
        ("oauth2", "{SHA512-CRYPT}$6$", "A token is kept as it is"),
    ],
)
def test_a_string_that_cannot_be_kept_is_named(
    lab: Callable[..., Lab], kind: str, stored: str, says: str
) -> None:
    if os.geteuid() != 0 and kind in ACCOUNTS:
        pytest.skip("accounts need root")
    with pytest.raises(UsageError, match=says), lab(None, kind, {"alice": stored}):
        pass


@pytest.mark.parametrize(
    ("kind", "mechanism"),
    [("ldap-bind", "PLAIN"), ("oauth2", "XOAUTH2"), ("oauth2-jwt", "XOAUTH2"), ("pam", "PLAIN")],
)
def test_run_makes_up_what_the_store_takes(kind: str, mechanism: str) -> None:
    if os.geteuid() != 0 and kind in ACCOUNTS:
        pytest.skip("accounts need root")
    with start("--store", kind, "--json") as running:
        assert running.stdout
        reached = json.loads(running.stdout.readline())
        found = find(mechanism)
        assert found
        with AuthSocket(Path(reached["auth_socket"])) as auth:
            word = reached["passwords"]["alice"].encode()
            assert auth.authenticate(mechanism, found.start("alice", word).answer).ok
        assert reached["store"] == kind
        assert ("--pid" in reached["diagnose"]) == (kind in ACCOUNTS)
        with suppress(ProcessLookupError):
            running.terminate()
        assert running.wait(timeout=60) == 0
