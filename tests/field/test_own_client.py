"""What our own logins say of their client: as much as a real client's login does, where the query asks."""

import imaplib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailauth.lab.databases import Postgres
from tests.cli.running import mailauth
from tests.field.chains import lua, server
from tests.field.rig import Rig
from tests.field.stacks import SECRET
from tests.field.test_red import SCHEMA, USER, sqlite

MakeRig = Callable[..., Rig]
_QUERY = "SELECT username AS user, password FROM mailbox WHERE username = '%u' AND "


def _gets_in(rig: Rig) -> bool:
    with imaplib.IMAP4("127.0.0.1", rig.ports["imap"], timeout=60) as client:
        try:
            return client.login(USER, SECRET)[0] == "OK"
        except client.error:
            return False


@pytest.mark.parametrize(
    "condition",
    ["'%{session}' <> ''", "'%r' LIKE '127.%%'", "'%l' = '127.0.0.1' AND '%a' <> '0' AND '%c' <> ''"],
)
def test_who_gets_in_by_imap_gets_in_by_our_login(rig: MakeRig, condition: str) -> None:
    """The session, the addresses, the port and the TLS are said to the auth socket and to doveadm."""
    one = sqlite(rig, _QUERY + condition)
    assert _gets_in(one)
    pid = ("--password-stdin", "--pid", str(one.master_pid))
    told = mailauth("diagnose", USER, "--login", *pid, feed=SECRET)
    assert "AUTH001" not in told.stdout, told.stdout
    assert "BLOCKS" not in told.stdout, told.stdout
    told = mailauth("login", USER, *pid, feed=SECRET)
    assert "disagree" not in told.stdout.lower(), told.stdout
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("condition", ["'%l' = '10.0.0.5'", "'%r' LIKE '10.%%' OR '%r' = '10.0.0.5'"])
def test_a_login_of_another_client_proves_nothing(rig: MakeRig, condition: str) -> None:
    """Our login is refused as one from this machine: USER015 says for whom there is a row."""
    one = sqlite(rig, f"{_QUERY}({condition})")
    assert not _gets_in(one)
    pid = ("--password-stdin", "--pid", str(one.master_pid), "--json")
    told = json.loads(mailauth("diagnose", USER, "--login", *pid, feed=SECRET).stdout)
    codes = {finding["code"] for finding in told["findings"]}
    assert codes == {"USER015"}
    assert "AUTH001" in json.dumps(told["undecided"])
    assert "--from-address" in json.dumps(told["undecided"])


def test_a_login_that_fails_by_the_certificate(rig: MakeRig) -> None:
    """Which certificate a client has is not for us to say."""
    one = sqlite(rig, f"{_QUERY}'%k' = 'valid'", more="ssl_verify_client_cert = yes\n")
    pid = ("--password-stdin", "--pid", str(one.master_pid), "--json")
    told = json.loads(mailauth("diagnose", USER, "--login", *pid, feed=SECRET).stdout)
    assert {finding["code"] for finding in told["findings"]} == {"USER015"}
    assert "%{cert}" in json.dumps(told["undecided"])


def test_the_same_of_2_4(rig: MakeRig) -> None:
    """Dovecot 2.4 has other names for them."""
    conf = (
        "dovecot_config_version = @VERSION@\ndovecot_storage_version = @VERSION@\nprotocols = imap\n"
        "ssl = no\nauth_allow_cleartext = yes\nfirst_valid_uid = 1\nmail_driver = maildir\n"
        "mail_path = ~/Maildir\n"
        "sql_driver = sqlite\nsqlite_path = @FILE@\npassdb sql {\n  default_password_scheme = SHA512-CRYPT\n"
        "  query = SELECT username AS user, password FROM mailbox WHERE username = '%{user}' AND"
        " '%{session}' <> '' AND '%{remote_ip}' LIKE '127.%' AND '%{local_ip}' = '127.0.0.1'"
        " AND '%{local_port}' <> '0' AND '%{secured}' <> ''\n}\n"
        "userdb static {\n  fields {\n    uid = 65534\n    gid = 65534\n"
        "    home = @DIR@/mail/%{user}\n  }\n}\n"
    )
    one = rig("2.4.1", "sqlite", {"dovecot.conf": conf}, SCHEMA)
    assert _gets_in(one)
    told = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    assert told.returncode == 0, told.stdout
    pid = ("--password-stdin", "--pid", str(one.master_pid))
    told = mailauth("diagnose", USER, "--login", *pid, feed=SECRET)
    assert "AUTH001" not in told.stdout, told.stdout
    assert "BLOCKS" not in told.stdout, told.stdout


def test_another_cause_is_still_found(rig: MakeRig) -> None:
    """A query by the session does not hide that something else refuses."""
    one = sqlite(rig, _QUERY.replace("password FROM", "password, 'y' AS nologin FROM") + "'%{session}' <> ''")
    assert not _gets_in(one)
    pid = ("--password-stdin", "--pid", str(one.master_pid))
    told = mailauth("diagnose", USER, "--login", *pid, feed=SECRET)
    assert "BLOCKS LOGIN" in told.stdout, told.stdout


@pytest.mark.parametrize("version", ["2.3.13", "2.3.19.1"])
def test_refused_settings_do_not_make_auth_panic(rig: MakeRig, postgres: Postgres, version: str) -> None:
    """Where libpq refuses the settings, Dovecot's own lookup would end its auth process.

    A login may wait there for a minute, as one in 2.3.13 does: then it is the only one that we make.
    """
    words = "password=half other"
    files = {
        "dovecot.conf": (
            "protocols = imap\nssl = no\ndisable_plaintext_auth = no\nfirst_valid_uid = 1\n"
            "mail_location = maildir:~/Maildir\n"
            "passdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n"
            "userdb {\n  driver = static\n  args = uid=65534 gid=65534 home=@DIR@/mail/%u\n}\n"
        ),
        "sql.conf": (
            f"driver = pgsql\nconnect = host=@HOST@ port=@PORT@ dbname=@NAME@ user=@USER@ {words}\n"
            "password_query = SELECT username AS user, password FROM mailbox WHERE username = '%u'\n"
        ),
    }
    one = rig(version, "pgsql", files, database=postgres)
    pid = ("--password-stdin", "--pid", str(one.master_pid))
    for more in ((), ("--login",)):
        told = mailauth("diagnose", USER, *more, *pid, feed=SECRET)
        assert "DB014" in told.stdout, told.stdout
        assert "(proven)" in told.stdout
    assert "Panic" not in one.log()
    assert one.log().count("Query timed out") <= 1


@pytest.mark.parametrize("nets", ["127.0.0.0/8", "192.168.0.0/16"])
def test_a_script_lets_in_from_some_addresses(rig: MakeRig, dovecot_version: str, nets: str) -> None:
    """Of a passdb that is not looked into nobody knows it before; our own login comes from this machine."""
    part = lua(USER, SECRET)
    text = part.files["login.lua"].replace("OK, {}", f'OK, {{allow_nets="{nets}"}}')
    one = server(rig, dovecot_version, replace(part, files={"login.lua": text}))
    here = nets.startswith("127")
    assert _gets_in(one) is here
    pid = ("--password-stdin", "--pid", str(one.master_pid), "--json", "--login")
    told = json.loads(mailauth("diagnose", USER, *pid, feed=SECRET).stdout)
    found = {each["code"]: each for each in told["findings"]}
    if here:
        assert found == {}
        return
    assert set(found) == {"AUTH016"}
    assert found["AUTH016"]["severity"] == "risk"
    assert "from the client's it may work" in found["AUTH016"]["says"]
    told = json.loads(mailauth("diagnose", USER, *pid, "--from-address", "192.168.7.8", feed=SECRET).stdout)
    assert told["findings"] == [], told["findings"]
    told = json.loads(mailauth("diagnose", USER, *pid, "--from-address", "10.9.8.7", feed=SECRET).stdout)
    assert {each["code"]: each["severity"] for each in told["findings"]} == {"AUTH016": "blocks login"}
