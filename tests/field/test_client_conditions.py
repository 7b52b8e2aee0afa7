"""A condition on the client: the variable, what was sent, what is needed; what our login cannot send."""

import json
from collections.abc import Callable

import pytest

from tests.cli.running import mailauth
from tests.field.rig import Rig
from tests.field.stacks import SECRET
from tests.field.test_red import SCHEMA, USER, sqlite

MakeRig = Callable[..., Rig]
_QUERY = "SELECT username AS user, password FROM mailbox WHERE username = '%u' AND "


@pytest.mark.parametrize(
    ("condition", "variable", "sent", "needed"),
    [
        ("'%a' = '9993'", "%{lport}", "'@PORT@'", "= '9993'"),
        ("'%s' = 'pop3'", "%{service}", "'imap'", "= 'pop3'"),
        ("'%{login_domain}' = 'example.org'", "%{login_domain}", "''", "= 'example.org'"),
        ("'%m' IN ('SCRAM-SHA-256')", "%{mech}", "'PLAIN'", "IN ('SCRAM-SHA-256')"),
        ("'%c' = 'TLSv9'", "%{secured}", "'' or 'secured'", "= 'TLSv9'"),
    ],
    ids=["port", "service", "login_domain", "mech", "secured"],
)
def test_user007_names_the_variable(
    rig: MakeRig, condition: str, variable: str, sent: str, needed: str
) -> None:
    one = sqlite(rig, f"{_QUERY}{condition}")
    pid = ("--password-stdin", "--pid", str(one.master_pid), "--json")
    told = json.loads(mailauth("diagnose", USER, *pid, feed=SECRET).stdout)
    [found] = [finding for finding in told["findings"] if finding["code"] == "USER007"]
    sent = sent.replace("@PORT@", str(one.ports["imap"]))
    assert f"{variable} was {sent}; the condition wants {needed}." in found["says"]
    summary = found["remedy"]["summary"]
    assert summary.startswith(f"Log in with a client for which {variable} {needed}, or correct")
    assert "Enable" not in summary


@pytest.mark.parametrize("condition", ["'x-pop3' LIKE '%%%s'", "CASE WHEN '%s' = 'imap' THEN active = 2 END"])
def test_what_a_condition_wants_is_not_made_up(rig: MakeRig, condition: str) -> None:
    """Where the variable is no side of a plain comparison, only what was sent is told."""
    one = sqlite(rig, f"{_QUERY}{condition}")
    assert not one.login(USER, SECRET.encode()).ok
    pid = ("--password-stdin", "--pid", str(one.master_pid), "--json")
    told = json.loads(mailauth("diagnose", USER, *pid, feed=SECRET).stdout)
    [found] = [finding for finding in told["findings"] if finding["code"] == "USER007"]
    assert "%{service} was 'imap'." in found["says"]
    assert "wants" not in found["says"]


def test_user015_names_both_values(rig: MakeRig) -> None:
    one = sqlite(rig, f"{_QUERY}'%c' <> ''")
    pid = ("--password-stdin", "--pid", str(one.master_pid), "--json")
    told = json.loads(mailauth("diagnose", USER, *pid, feed=SECRET).stdout)
    [found] = [finding for finding in told["findings"] if finding["code"] == "USER015"]
    assert "for a client with %{secured} = ''; it has one with %{secured} = 'secured'" in found["says"]


def test_a_condition_on_the_row_is_as_it_was(rig: MakeRig) -> None:
    one = sqlite(rig, f"{_QUERY}active = 2")
    pid = ("--password-stdin", "--pid", str(one.master_pid), "--json")
    told = json.loads(mailauth("diagnose", USER, *pid, feed=SECRET).stdout)
    [found] = [finding for finding in told["findings"] if finding["code"] == "USER007"]
    assert found["remedy"]["summary"].startswith("Enable the user")


CERTIFICATE = "ssl_verify_client_cert = yes\n"


@pytest.mark.parametrize(
    ("condition", "more", "says"),
    [
        ("'%k' = 'valid'", CERTIFICATE, "%{cert}"),
        ("'%{client_id}' LIKE '%%webmail%%'", "", "%{client_id}"),
        ("'%l' = '10.0.0.5'", "", "--host"),
    ],
    ids=["certificate", "client_id", "address"],
)
def test_login_is_undecided_where_only_the_client_can_say(
    rig: MakeRig, condition: str, more: str, says: str
) -> None:
    """No passdb is the first to disagree: another client is let in, perhaps."""
    one = sqlite(rig, f"{_QUERY}{condition}", more=more)
    told = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    assert "FIRST TO DISAGREE" not in told.stdout, told.stdout
    assert "NOT SEEN" in told.stdout
    assert says in told.stdout
    assert told.returncode == 3, told.stdout


def test_login_still_names_a_wrong_password(rig: MakeRig) -> None:
    """A stored string that does not match is one for every client."""
    one = sqlite(rig, f"{_QUERY}'%k' = 'valid'", more=CERTIFICATE)
    told = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed="another")
    assert "FIRST TO DISAGREE  hash" in told.stdout, told.stdout
    assert told.returncode == 1


def test_login_names_no_passdb_of_2_4(rig: MakeRig) -> None:
    conf = (
        "dovecot_config_version = @VERSION@\ndovecot_storage_version = @VERSION@\nprotocols = imap\n"
        "ssl = no\nauth_allow_cleartext = yes\nfirst_valid_uid = 1\nmail_driver = maildir\n"
        "mail_path = ~/Maildir\nsql_driver = sqlite\nsqlite_path = @FILE@\npassdb sql {\n"
        "  default_password_scheme = SHA512-CRYPT\n"
        "  query = SELECT username AS user, password FROM mailbox WHERE username = '%{user}' AND"
        " '%{client_id}' <> ''\n}\n"
        "userdb static {\n  fields {\n    uid = 65534\n    gid = 65534\n"
        "    home = @DIR@/mail/%{user}\n  }\n}\n"
    )
    one = rig("2.4.1", "sqlite", {"dovecot.conf": conf}, SCHEMA)
    told = mailauth("login", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    assert "FIRST TO DISAGREE" not in told.stdout, told.stdout
    assert "%{client_id}" in told.stdout
    assert told.returncode == 3
