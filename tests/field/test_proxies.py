"""Users whom Dovecot passes on to another server: nologin beside proxy is no lock, and its log counts."""

from collections.abc import Callable

import pytest

from mailauth.hashes import Password, generate
from tests.cli.running import mailauth
from tests.field.rig import Rig
from tests.field.stacks import SECRET

MakeRig = Callable[..., Rig]
USER = "alice@example.org"
STORED = generate("SHA512-CRYPT", Password.of(SECRET), user=USER, rounds=5000)
_FILES = {
    "2.3.19.1": (
        "protocols = imap\nssl = no\ndisable_plaintext_auth = no\nauth_verbose = yes\n"
        "first_valid_uid = 1\nmail_location = maildir:~/Maildir\n"
        "passdb {\n  driver = passwd-file\n  args = @DIR@/users\n}\n"
        "userdb {\n  driver = static\n  args = uid=65534 gid=65534 home=@DIR@/mail/%u"
        " allow_all_users=yes\n}\n"
    ),
    "2.4.1": (
        "dovecot_config_version = @VERSION@\ndovecot_storage_version = @VERSION@\nprotocols = imap\n"
        "ssl = no\nauth_allow_cleartext = yes\nauth_verbose = yes\nfirst_valid_uid = 1\n"
        "mail_driver = maildir\nmail_path = ~/Maildir\n"
        "passdb users {\n  driver = passwd-file\n  passwd_file_path = @DIR@/users\n}\n"
        "userdb static {\n  fields {\n    uid = 65534\n    gid = 65534\n    home = @DIR@/mail/%{user}\n  }\n"
        "  userdb_static_allow_all_users = yes\n}\n"
    ),
}


def server(rig: MakeRig, version: str, fields: str = "") -> Rig:
    files = {"dovecot.conf": _FILES[version], "users": f"{USER}:{STORED}::::::{fields}\n"}
    return rig(version, "passwd-file", files)


def told(one: Rig, *words: str) -> tuple[int, str]:
    feed = SECRET if "--password-stdin" in words else ""
    done = mailauth("diagnose", USER, *words, "--pid", str(one.master_pid), feed=feed)
    return done.returncode, done.stdout


def session(one: Rig) -> str:
    done = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    return done.stdout


@pytest.mark.parametrize("version", _FILES)
def test_a_proxy_and_the_server_behind_it(rig: MakeRig, version: str) -> None:
    """Well with nologin; then the server behind refuses the user, and then it is gone."""
    behind = server(rig, version)
    front = server(rig, version, f"proxy=y nologin=y host=127.0.0.1 port={behind.ports['imap']}")
    assert " NO " not in session(front)
    assert told(front)[0] == 0, told(front)
    assert told(front, "--password-stdin", "--login")[0] == 0, told(front, "--password-stdin", "--login")
    status, says = told(front, "--password-stdin")
    assert (status, "shows only in a real login" in says) == (3, True), says
    behind.edit("users", USER, "bob@example.org")
    behind.restart()
    assert told(front, "--password-stdin", "--login")[0] == 3
    behind.stop()
    front.restart()
    assert "FAILS" in session(front)
    for words in ((), ("--password-stdin",), ("--password-stdin", "--login")):
        status, says = told(front, *words)
        assert status == 1, says
        assert "cannot be reached" in " ".join(says.split()), says


@pytest.mark.parametrize("version", _FILES)
def test_a_proxy_without_a_host(rig: MakeRig, version: str) -> None:
    """The login process crashes over it (2.3.19.1); what it logged before that is the cause."""
    front = server(rig, version, "proxy=y")
    assert "FAILS" in session(front)
    for words in ((), ("--password-stdin", "--login")):
        status, says = told(front, *words)
        assert status == 1, says
        assert "the entry has the field proxy, and no host" in " ".join(says.split()), says
