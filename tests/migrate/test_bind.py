"""The password of --bind-dn, which may write to the directory, and where it goes."""

import os
from pathlib import Path

import pytest

from mailauth.dovecot.ldap_settings import Directory
from tests.cli.running import mailauth
from tests.field.test_entering_users import head

_DEMAND, _NEVER = ("tls_require_cert", "demand"), ("tls_require_cert", "never")


def asked(uris: str, *tls: tuple[str, str], starttls: bool = False) -> Directory:
    no = ""
    return Directory(uris, no, no, no, no, no, no, no, starttls, tls, bind=False, template=no, place=no)


@pytest.mark.parametrize(
    ("directory", "server"),
    [
        (asked("ldap://ldap.example.org"), "ldap://ldap.example.org"),
        (asked("ldaps://ldap.example.org"), ""),
        (asked("ldap://ldap.example.org", starttls=True), ""),
        (asked("ldaps://ldap.example.org", _DEMAND), ""),
        (asked("ldaps://ldap.example.org", _NEVER), "ldaps://ldap.example.org"),
        (asked("ldap://127.0.0.1:389 ldapi://%2Frun%2Fldapi ldap://[::1]/"), ""),
        (asked("ldap://localhost ldap://192.0.2.1:3389"), "ldap://192.0.2.1:3389"),
        (asked("ldap://127.0.0.1.example.org"), "ldap://127.0.0.1.example.org"),
        (asked("ldap://localhost@192.0.2.1"), "ldap://localhost@192.0.2.1"),
    ],
)
def test_which_server_gets_it_in_the_clear(directory: Directory, server: str) -> None:
    assert directory.in_the_clear == server


_OF_23 = "passdb {{\n  driver = ldap\n  args = {folder}/ldap.conf.ext\n}}\n"
_FILE_23 = "uris = ldap://192.0.2.1\nbase = dc=example,dc=org\npass_attrs = userPassword=password\n"
_OF_24 = """
ldap_uris = ldap://192.0.2.1
ldap_base = dc=example,dc=org
passdb ldap {{
  filter = (uid=%{{user}})
  fields {{
    password = %{{ldap:userPassword}}
  }}
}}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="it names the installed Dovecot's own users")
def test_it_does_not_go_to_another_machine_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "ldap.conf.ext").write_text(_FILE_23)
    config = tmp_path / "dovecot.conf"
    begin = head()
    config.write_text(begin + (_OF_24 if begin else _OF_23).format(folder=tmp_path))
    (word := tmp_path / "password").touch(mode=0o600)
    word.write_text("a secret\n")
    bind = ("--bind-dn", "cn=writer", "--bind-password-file", str(word))
    done = mailauth("migrate", "plan", "--prefix", "-c", str(config), *bind)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "would go to another machine without verified TLS" in done.stderr
    assert "ldap://192.0.2.1" in done.stderr
    done = mailauth("migrate", "plan", "--prefix", "-c", str(config), "--insecure")
    assert "--insecure goes with --bind-dn" in done.stderr
