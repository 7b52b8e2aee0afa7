"""Userdbs as others write them: ids that are none, answers that count otherwise, and the log's own words.

A real login is the judge of each case: auth lets the user in, and IMAP does not.
"""

import json
import os
from collections.abc import Callable

import pytest

from tests.cli.running import mailauth
from tests.field.rig import Rig
from tests.field.stacks import SECRET
from tests.field.test_red import STORED, USER
from tests.proofs.story import printed
from tests.proofs.test_userdb import opens

MakeRig = Callable[..., Rig]
_COMMON = "protocols = imap\nssl = no\nfirst_valid_uid = 1\n"
_HEAD = {
    "2.3.19.1": f"{_COMMON}disable_plaintext_auth = no\nmail_location = maildir:~/Maildir\n",
    "2.4.1": "dovecot_config_version = @VERSION@\ndovecot_storage_version = @VERSION@\n"
    f"{_COMMON}auth_allow_cleartext = yes\nmail_driver = maildir\nmail_path = ~/Maildir\n",
}
VERSIONS = tuple(_HEAD)
_GOOD = f"{USER}::65534:65534::@DIR@/mail/a::\n"


def file_db(version: str, kind: str, name: str, inside: str = "") -> str:
    """A passdb or userdb of a passwd-file."""
    if version.startswith("2.3"):
        return f"{kind} {{\n  driver = passwd-file\n  args = @DIR@/{name}\n{inside}}}\n"
    return f"{kind} {name} {{\n  driver = passwd-file\n  passwd_file_path = @DIR@/{name}\n{inside}}}\n"


def server(rig: MakeRig, version: str, userdbs: str, **files: str) -> Rig:
    """A server whose passdb is a passwd-file, with these userdbs."""
    main = _HEAD[version] + file_db(version, "passdb", "users") + userdbs
    users = f"{USER}:{{SHA512-CRYPT}}{STORED}\n"
    return rig(version, "passwd-file", {"dovecot.conf": main, "users": users} | files)


def told_of(one: Rig) -> str:
    """What diagnose says where auth takes the password, and IMAP does not let in; in one line."""
    assert one.login(USER, SECRET.encode()).ok
    assert not _opens(one)
    found = mailauth("diagnose", USER, "--password-stdin", "--pid", str(one.master_pid), feed=SECRET)
    printed(one, found.stdout)
    return " ".join(found.stdout.split())


def _opens(one: Rig) -> bool:
    return opens(one, USER, password=SECRET)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ("vmailx:65534", "its uid 'vmailx' is no user of this system"),
        ("65534:vmailx", "its gid 'vmailx' is no group of this system"),
        ("0:65534", "its uid '0' is root's"),
        (None, "the line ends before its uid and gid"),
    ],
)
def test_a_line_that_the_userdb_does_not_take(rig: MakeRig, version: str, ids: str | None, says: str) -> None:
    line = f"{USER}:x\n" if ids is None else f"{USER}::{ids}::@DIR@/mail/a::\n"
    one = server(rig, version, file_db(version, "userdb", "homes"), homes=f"# mail\n{line}")
    told = told_of(one)
    assert "USERDB001" in told
    assert "homes:2" in told
    assert says in told
    assert "none of the userdbs" not in told
    one.edit("homes", line, _GOOD)
    one.restart()
    assert _opens(one)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_answer_of_another_userdb_decides(rig: MakeRig, version: str) -> None:
    """The first has the user; the second has not, and that fails the whole lookup."""
    first = file_db(version, "userdb", "homes", "  result_success = continue-ok\n")
    second = file_db(version, "userdb", "more", "  result_failure = return-fail\n")
    one = server(rig, version, first + second, homes=_GOOD, more="bob::65534:65534::@DIR@/mail/a::\n")
    told = told_of(one)
    assert "USERDB001" in told
    assert "in none of the userdbs" not in told
    assert "together do not know the user: userdb 1 (passwd-file) has the user" in told
    assert "userdb 2 (passwd-file) does not have the user, result_failure = return-fail, and that" in told
    one.edit("more", "bob", USER)
    one.restart()
    assert _opens(one)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_makes_a_found_user_count(rig: MakeRig, version: str) -> None:
    one = server(
        rig, version, file_db(version, "userdb", "homes", "  result_success = continue\n"), homes=_GOOD
    )
    told = told_of(one)
    assert "userdb 1 (passwd-file) has the user" in told
    assert "result_success = continue" in told
    one.edit("dovecot.conf", "result_success = continue", "result_success = return-ok")
    one.restart()
    assert _opens(one)


@pytest.mark.parametrize("version", VERSIONS)
def test_prefetch_alone_is_named_with_the_logs_words(rig: MakeRig, version: str) -> None:
    prefetch = "userdb {\n  driver = prefetch\n}\n" if version.startswith("2.3") else "userdb prefetch {\n}\n"
    told = told_of(server(rig, version, prefetch))
    assert "USERDB005" in told
    assert "Dovecot logs: prefetch: userdb lookup not possible with only userdb prefetch" in told
    assert "second userdb" in told


def test_a_userdb_field_that_cannot_be_expanded(rig: MakeRig) -> None:
    fields = "  fields {\n    home = @DIR@/mail/%{passwd_file:nope}\n  }\n"
    one = server(rig, "2.4.1", file_db("2.4.1", "userdb", "homes", fields), homes=_GOOD)
    told = told_of(one)
    assert "USERDB005" in told
    assert "Failed to expand userdb_fields/home" in told
    assert "No such field 'nope'" in told


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("uid", "shown"), [("'vmailx'", "'vmailx'"), ("''", "''"), ("65534.5", "'65534.5'")])
def test_an_id_of_a_query_that_is_none(rig: MakeRig, version: str, uid: str, shown: str) -> None:
    """Dovecot's log leaves it out of what may be shown: the query itself is asked."""
    query = f"SELECT {uid} AS uid, 65534 AS gid, '@DIR@/mail/a' AS home"
    if version.startswith("2.3"):
        userdbs = "userdb {\n  driver = sql\n  args = @DIR@/sql.conf\n}\n"
    else:
        userdbs = f"sql_driver = sqlite\nsqlite_path = @FILE@\nuserdb sql {{\n  query = {query}\n}}\n"
    main = _HEAD[version] + file_db(version, "passdb", "users") + userdbs
    sql = f"driver = sqlite\nconnect = @FILE@\nuser_query = {query}\n"
    users = f"{USER}:{{SHA512-CRYPT}}{STORED}\n"
    one = rig(version, "sqlite", {"dovecot.conf": main, "users": users, "sql.conf": sql})
    told = told_of(one)
    assert "USERDB005" in told
    assert f"The query returns uid = {shown}, which is no number" in told


def _found(one: Rig, *words: str) -> dict[str, tuple[str, str]]:
    """The findings of a diagnosis with the right password: code -> severity and certainty."""
    asked = ("diagnose", USER, "--password-stdin", *words, "--json", "--pid", str(one.master_pid))
    told = json.loads(mailauth(*asked, feed=SECRET).stdout)
    return {each["code"]: (each["severity"], each["certainty"]) for each in told["findings"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_that_is_not_there_is_one_finding(rig: MakeRig, version: str) -> None:
    """Auth lets the user in without it, so that its answer shows nothing of it."""
    one = server(rig, version, file_db(version, "userdb", "homes"))
    told = told_of(one)
    assert "USERDB005" in told
    assert "homes, which does not exist" in told
    assert "Put the file there" in told
    for words in ((), ("--login",)):
        assert _found(one, *words) == {"USERDB005": ("blocks login", "proven")}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_that_is_not_there_beside_a_userdb_that_finds(rig: MakeRig, version: str) -> None:
    userdbs = file_db(version, "userdb", "gone") + file_db(version, "userdb", "homes")
    one = server(rig, version, userdbs, homes=_GOOD)
    assert _opens(one)
    for words in ((), ("--login",)):
        assert _found(one, *words) == {"CONF015": ("risk", "likely")}


@pytest.mark.skipif(os.geteuid() != 0, reason="a file of root's alone")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_closed_file_of_a_userdb_and_a_login(rig: MakeRig, version: str) -> None:
    """That auth takes the password is no sign that the session opens."""
    one = server(rig, version, file_db(version, "userdb", "homes"), homes=_GOOD)
    os.chown(one.folder / "homes", 0, 0)
    (one.folder / "homes").chmod(0o600)
    one.restart()
    assert not _opens(one)
    for words in ((), ("--login",)):
        assert _found(one, *words) == {"CONF012": ("blocks login", "likely")}
