"""Servers of the drivers checkpassword, dict, passwd and oauth2: what was not found on them."""

from collections.abc import Callable

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.logreading import read_logs
from mailauth.dovecot.logreport import Reading
from mailauth.finding import Finding
from tests.field.chains import Part, passwd_file, server
from tests.field.rig import Rig
from tests.lab.test_stores import token_login
from tests.proofs.endpoint import endpoint
from tests.proofs.story import record

MakeRig = Callable[..., Rig]


def found(one: Rig) -> dict[str, Finding]:
    """By checkup."""
    diagnosis = look_at_all(Checkup(at_pid(one.master_pid, None))).diagnosis
    return {each.rule.code: each for each in diagnosis.findings}


HEADS = {
    '#!/bin/sh\r\nexec "$@"\r\n': "its first line ends in CR LF",
    'exec "$@"\n': "neither with #! and an interpreter",
    "#!/opt/python/bin/python\n": "its interpreter /opt/python/bin/python is not there",
    '#! /bin/sh -e\nexec "$@"\n': "",
}


@pytest.mark.dovecot("< 2.4")
def test_a_program_that_the_kernel_does_not_run(rig: MakeRig, dovecot_version: str) -> None:
    part = Part("driver = checkpassword\n  args = @DIR@/check", "", {"check": ""})
    one = server(rig, dovecot_version, part)
    for text, says in HEADS.items():
        (one.folder / "check").write_bytes(text.encode())
        (one.folder / "check").chmod(0o755)
        told = found(one)
        assert one.login("alice", b"any").ok is (not says), text
        if says:
            assert says in told["AUTH022"].problem.says
        else:
            assert "AUTH022" not in told
    record(one, "checkpassword's program is none that the kernel runs", ("AUTH022",))


@pytest.mark.dovecot("< 2.4")
def test_a_dict_whose_value_is_no_json(rig: MakeRig, dovecot_version: str) -> None:
    """A bare hash begins with the brace that JSON begins with."""
    settings = "uri = file:@DIR@/dictfile\nkey passdb {\n  key = passdb/%u\n  format = json\n}\n"
    files = {
        "dict.conf": settings + "passdb_objects = passdb\n",
        "dictfile": "shared/passdb/alice\n{SHA512-CRYPT}$6$salt$hash\nshared/passdb/bob\nplain\n",
    }
    one = server(rig, dovecot_version, Part("driver = dict\n  args = @DIR@/dict.conf", "", files))
    for user in ("alice", "bob"):
        assert not one.login(user, b"any").ok
    rows = {row.user: row.cause for row in read_logs(Reading((one.folder / "log",))).rows}
    assert rows == dict.fromkeys(("alice", "bob"), "what the dict has for the user is no JSON")


def test_passwd_whose_passwords_are_all_in_shadow(rig: MakeRig, dovecot_version: str) -> None:
    """Nobody can log in, and no row looked wrong; beside another passdb it lets in nobody itself."""
    passwd = Part("driver = passwd", "passdb passwd {\n}\n")
    one = server(rig, dovecot_version, passwd)
    told = found(one)["STORE012"].problem
    assert "none of its" in told.says
    assert "Nobody can log in" in told.says
    assert "use passdb pam" in told.remedy.summary
    record(one, "passdb passwd, and the passwords are in shadow", ("STORE012",))
    beside = server(rig, dovecot_version, passwd_file({"alice": "{PLAIN}right"}), passwd)
    assert "Only other passdbs let users in" in found(beside)["STORE012"].problem.says
    assert beside.login("alice", b"right").ok


OF_TOKENS = "auth_mechanisms = xoauth2 oauthbearer\n"


@pytest.mark.dovecot(">= 2.4")
def test_a_server_of_tokens_alone_needs_no_passdb(rig: MakeRig, dovecot_version: str) -> None:
    """2.4's mechanisms ask by themselves; their endpoint, or the folder of their keys, is tried."""
    with endpoint() as there:
        there.answers(200, {"email": "alice"})
        asked = f"oauth2 {{\n  introspection_mode = auth\n  introspection_url = {there.url}\n}}\n"
        one = server(rig, dovecot_version, Part("", asked), more=OF_TOKENS)
        assert token_login(one, "XOAUTH2", "alice", "a-token").ok
        diagnosis = look_at_all(Checkup(at_pid(one.master_pid, None))).diagnosis
        assert not diagnosis.findings
        assert not diagnosis.undecided, [each.missing.reason for each in diagnosis.undecided]
    assert not token_login(one, "XOAUTH2", "alice", "a-token").ok
    assert "introspection_url 127.0.0.1:" in found(one)["AUTH022"].problem.says
    text = one.config.read_text().replace(asked, LOCAL.replace("@DIR@", str(one.folder)))
    one.config.write_text(text)
    one.reload()
    assert "keys: No such file or directory" in found(one)["AUTH022"].problem.says
    record(one, "2.4's mechanisms for tokens, and no key is there", ("AUTH022",))


LOCAL = (
    "oauth2 {\n  introspection_mode = local\n  oauth2_local_validation {\n    dict fs {\n      fs posix {\n"
    "        prefix = @DIR@/keys/\n      }\n    }\n  }\n}\n"
)


@pytest.mark.dovecot("< 2.4")
def test_a_password_that_is_taken_for_a_token(rig: MakeRig, dovecot_version: str) -> None:
    """use_grant_password: no mechanism for tokens is wanted, and grant_url is what is asked."""
    with endpoint() as there:
        there.answers(200, {"email": "alice", "access_token": "a-token", "active": "true"})
        text = f"grant_url = {there.url}\nclient_id = mail\nclient_secret = x\nuse_grant_password = yes\n"
        part = Part("driver = oauth2\n  args = @DIR@/oauth.conf", "", {"oauth.conf": text})
        one = server(rig, dovecot_version, part)
        assert one.login("alice", b"right").ok
        assert not found(one)
    assert not one.login("alice", b"right").ok
    assert "grant_url 127.0.0.1:" in found(one)["AUTH022"].problem.says


def test_a_static_passdb_that_lets_anybody_in(rig: MakeRig, dovecot_version: str) -> None:
    """Checkup, which asks about no user, says so; and not where another server verifies."""
    for more, expected in (("", {"HASH023"}), ("proxy", set())):
        old = " proxy=y host=192.0.2.1" if more else ""
        new = "    proxy = yes\n    host = 192.0.2.1\n" if more else ""
        part = Part(
            f"driver = static\n  args = nopassword=y{old}",
            f"passdb static {{\n  fields {{\n    nopassword = yes\n{new}  }}\n}}\n",
        )
        one = server(rig, dovecot_version, part)
        assert one.login("alice", b"any").ok
        assert {code for code in found(one) if code == "HASH023"} == expected
        if expected:
            record(one, "a static passdb lets anybody in, seen without a user", expected)
