"""What a sixth look found: chains in which a server fails, renamed users, logged failures, words of SQL."""

import imaplib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.field.chains import Part, ldap, passwd_file, server
from tests.field.directory import Directory
from tests.field.rig import Rig
from tests.field.test_red_other import GOOD, OTHER, SECRET, USER, codes, said, session
from tests.proofs.story import heads, record_of

MakeRig = Callable[..., Rig]
_VERSIONS = pytest.mark.parametrize("version", ["2.3.19.1", "2.4.1"])


def ruled(part: Part, *rules: tuple[str, str]) -> Part:
    """A passdb with result_... rules."""
    old = "".join(f"\n  {name} = {value}" for name, value in rules)
    new = "".join(f"  {name} = {value}\n" for name, value in rules)
    return Part(part.old + old, part.new.removesuffix("}\n") + new + "}\n", part.files)


def until_taken(one: Rig) -> None:
    """Dovecot looks at a passwd-file once a second at most."""
    end = time.monotonic() + 30
    while not one.login(USER, SECRET.encode()).ok:
        assert time.monotonic() < end, one.log()
        time.sleep(0.2)


_RULES = ("return", "return-ok", "return-fail", "continue-ok")


@_VERSIONS
def test_a_directory_that_fails_before_a_file(rig: MakeRig, tmp_path: Path, version: str) -> None:
    """LDAP001 blocks exactly where a real login fails, by each rule; if any password logs in, it says so."""
    with Directory(tmp_path / "directory", {}) as directory:
        part = ruled(ldap(directory, bind=True), ("result_internalfail", "continue"))
        one = server(rig, version, part, passwd_file({USER: GOOD, "bob": OTHER}))
        name = "ldap.conf" if version < "2.4" else "dovecot.conf"
        one.edit(name, "(uid=%", "((uid=%")
        before = "continue"
        for rule in _RULES:
            one.edit("dovecot.conf", f"internalfail = {before}\n", f"internalfail = {rule}\n")
            one.restart()
            before = rule
            works, any_works = one.login(USER, SECRET.encode()).ok, one.login("bob", SECRET.encode()).ok
            told = said(one)
            weight = "RISK" if works else "BLOCKS LOGIN"
            assert f"{weight} LDAP001" in told, (rule, told)
            assert ("any password logs in" in told) == any_works, (rule, told)
            record_of(version, "ldap", f"a filter that is none, result_internalfail = {rule}", heads(told))


@_VERSIONS
def test_one_logged_mismatch_is_not_nothing(rig: MakeRig, version: str) -> None:
    """AUTH020 says what the log has and what decides; a login that works ends it."""
    one = server(rig, version, passwd_file({USER: OTHER}))
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    told = said(one)
    assert "NOTE AUTH020" in told, told
    assert "Password mismatch (1 time)" in told
    assert "Nothing is wrong with what is stored" in told
    which = f"-c {one.config} --login -p {USER}"
    assert f"{which}. If it logs in, the client sends another one" in told
    record_of(version, "passwd-file", "a logged mismatch, and no password given", heads(told))
    assert "PASS001" in said(one, "--password-stdin")
    one.write("users", f"{USER}:{GOOD}\n")
    until_taken(one)
    with session(one):
        pass
    assert "Nothing found" in said(one, status=0)


_AWAY = {
    "2.3.19.1": "userdb {\n  driver = passwd-file\n  args = @DIR@/none\n}\n",
    "2.4.1": "userdb none {\n  driver = passwd-file\n  passwd_file_path = @DIR@/none\n}\n",
}


@_VERSIONS
def test_a_proxy_needs_no_userdb(rig: MakeRig, version: str) -> None:
    """A userdb's file that is not there: a risk where every login goes on to another server, and it works."""
    behind = server(rig, version, passwd_file({USER: GOOD}))
    to = f"proxy=y nopassword=y host=127.0.0.1 port={behind.ports['imap']}"
    fields = "".join(f"    {one.replace('=', ' = ')}\n" for one in to.split())
    front = server(
        rig,
        version,
        Part(f"driver = static\n  args = {to}", f"passdb static {{\n  fields {{\n{fields}  }}\n}}\n"),
        userdb=(_AWAY[version], {}),
    )
    with session(front):
        pass
    for command in ((), ("checkup",)):
        told = said(front, *command, user="" if command else USER)
        assert "RISK CONF015" in told, told
        assert "BLOCKS LOGIN" not in told, told
        assert "Every login goes on to another server (proxy), and asks no userdb." in told
    record_of(version, "static", "a proxy whose userdb's file is not there", heads(told))
    other = server(rig, version, passwd_file({USER: GOOD}), userdb=(_AWAY[version], {}))
    with pytest.raises(imaplib.IMAP4.error), session(other):
        pass
    assert "BLOCKS LOGIN CONF015" in said(other, "checkup", user="")


@_VERSIONS
def test_a_line_that_neither_passdb_nor_userdb_takes(rig: MakeRig, version: str) -> None:
    """One passwd-file for both: its line is none where the gid is root's, and the log says "unknown user"."""
    userdb = _AWAY[version].replace("none", "users")
    one = server(rig, version, passwd_file({USER: f"{GOOD}:5000:0::@DIR@/mail"}), userdb=(userdb, {}))
    with pytest.raises(imaplib.IMAP4.error), session(one):
        pass
    told = said(one)
    assert "BLOCKS LOGIN USERDB001 No userdb knows the user (proven)" in told, told
    assert "users:1 for no line of 'alice', though passdb 1 (passwd-file) and userdb 1" in told
    assert "its gid '0' is root's, which can have no mail" in told
    record_of(version, "passwd-file", "root's gid in a file of passdb and userdb", heads(told))
    one.edit("users", ":5000:0:", ":5000:5000:")
    until_taken(one)
    with session(one):
        pass
    assert codes(one) == {}
