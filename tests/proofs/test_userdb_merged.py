"""The userdb as a login gets it: fields that the passdb brings along, prefetch, and static's own question.

A real IMAP session is the judge of each case, found or silent.
"""

import os
import re
from collections.abc import Callable

import pytest

from mailauth.lab import Lab
from tests.proofs.story import SECRET, MiB, Proof, argon2id
from tests.proofs.test_userdb import auth_test, opens, userdb

GOOD = argon2id(memory=1 * MiB)
BROKEN = "{ARGON2ID}$argon2id$v=19$m=1024,t=1,p=1$"
Make = Callable[..., Proof]
PREFETCH = userdb("userdb {\n  driver = prefetch\n}\n", "userdb prefetch {\n}\n")
SQL = userdb("userdb {\n  driver = sql\n  args = FOLDER/dovecot-sql.conf.ext\n}\n", "userdb sql {\n}\n")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has mail of several uids")


def query(version: str, fields: str) -> str:
    user = "%u" if version.startswith("2.3") else "%{user}"
    return f"SELECT userid AS user, password, {fields} FROM users WHERE userid = '{user}'"


def user_query(lab: Lab, fields: str) -> None:
    """Have the userdb ask with this."""
    if lab.dialect == "2.3":
        file = lab.folder / "dovecot-sql.conf.ext"
        file.write_text(f"{file.read_text()}user_query = SELECT {fields} FROM users WHERE userid = '%u'\n")
    else:
        lab.configure(f"userdb_sql_query = SELECT {fields} FROM users WHERE userid = '%{{user}}'\n")


def told_of(proof: Make, version: str, fields: str, **more: str) -> Proof:
    """A Proof with IMAP, whose password query returns these, too."""
    return proof(
        version, "sqlite", {"alice": GOOD}, protocols=("imap",), query=query(version, fields), **more
    )


OWN = "65534 AS userdb_uid, 65534 AS userdb_gid, '/tmp' AS userdb_home"


def test_what_the_passdb_brings_along_is_merged(proof: Make, dovecot_version: str) -> None:
    """The userdb's query has nothing of use: doveadm user sees no uid, and each login works."""
    told = told_of(proof, dovecot_version, OWN)
    SQL(told.lab)
    user_query(told.lab, "'x' AS quota_rule")
    told.lab.restart()
    assert (
        told.lab.run("doveadm", "user", "alice").returncode
        or "65534" not in told.lab.run("doveadm", "user", "alice").stdout
    )
    assert opens(told.lab)
    told.finds(set(), password=SECRET)


def test_the_userdb_counts_over_the_passdb(proof: Make, dovecot_version: str) -> None:
    told = told_of(proof, dovecot_version, OWN)
    SQL(told.lab)
    user_query(told.lab, "0 AS uid, 65534 AS gid")
    told.lab.restart()
    assert auth_test(told.lab)
    assert not opens(told.lab, patience=8.0)
    [found] = told.finds({"USERDB003"}, password=SECRET)
    assert "root" in found.problem.says


def test_fields_of_the_passdbs_block(proof: Make, dovecot_version: str) -> None:
    """2.3's override_fields, 2.4's fields."""
    text = {
        "2.3": "override_fields = userdb_uid=65534 userdb_gid=65534 userdb_home=/tmp/%n",
        "2.4": "fields {\n  userdb_uid = 65534\n  userdb_gid = 65534\n  userdb_home = /tmp/%{user}\n}",
    }[dovecot_version[:3]]
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",), passdb_extra=text)
    PREFETCH(told.lab)
    told.lab.restart()
    assert opens(told.lab)
    told.finds(set(), password=SECRET)


@pytest.mark.parametrize("uid", [0, 1])
def test_userdb003_prefetch(proof: Make, dovecot_version: str, uid: int) -> None:
    """The uid is root's, or the row's number; no line for first_valid_uid = 1 is offered."""
    told = told_of(proof, dovecot_version, f"{uid} AS userdb_uid, 65534 AS userdb_gid, '/tmp' AS userdb_home")
    lines = told.lab.config.read_text().replace("first_valid_uid = 1\n", "")
    told.lab.config.write_text(lines)
    PREFETCH(told.lab)
    told.lab.restart()
    assert auth_test(told.lab)
    assert not opens(told.lab, patience=8.0)
    [found] = told.finds({"USERDB003"}, password=SECRET)
    assert not found.problem.remedy.config
    assert "owns the mail" in found.problem.remedy.summary


def test_userdb006_prefetch(proof: Make, dovecot_version: str) -> None:
    told = told_of(proof, dovecot_version, "'/tmp' AS userdb_home")
    PREFETCH(told.lab)
    told.lab.restart()
    assert auth_test(told.lab)
    assert not opens(told.lab, patience=8.0)
    told.finds({"USERDB006"}, password=SECRET)


def test_userdb002_prefetch(proof: Make, dovecot_version: str) -> None:
    told = told_of(proof, dovecot_version, "65534 AS userdb_uid, 65534 AS userdb_gid")
    PREFETCH(told.lab)
    place = "mail_location = maildir:~/Maildir" if told.lab.dialect == "2.3" else "mail_path = ~/Maildir"
    told.lab.configure(f"{place}\n")
    told.lab.restart()
    assert auth_test(told.lab)
    assert not opens(told.lab, patience=8.0)
    told.finds({"USERDB002"}, password=SECRET)


def test_a_broken_hash_under_a_static_userdb(proof: Make, dovecot_version: str) -> None:
    """Static asks the passdb again when doveadm asks it; a login never comes so far."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    told.lab.set_password("alice", BROKEN)
    assert told.logins() == [False]
    found = {one.rule.code for one in told.look(password=SECRET).diagnosis.findings}
    assert found
    assert not [code for code in found if code.startswith("USERDB")]


def test_userdb003_the_mail_belongs_to_it(proof: Make, dovecot_version: str) -> None:
    """A system user for mail with a low uid: then first_valid_uid is what is wrong."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    lab = told.lab
    text = re.sub(r"first_valid_uid = 1\n", "", lab.config.read_text())
    lab.config.write_text(re.sub(r"uid( ?=) ?65534", r"uid\g<1>150", text))
    mail = lab.folder / "mail" / "alice"
    mail.mkdir(exist_ok=True)
    os.chown(mail, 150, 65534)
    lab.restart()
    assert not opens(lab, patience=8.0)
    [found] = told.finds({"USERDB003"}, password=SECRET)
    told.paste([found])
    lab.restart()
    assert opens(lab)
    told.finds(set(), password=SECRET)


def test_the_passdb_names_the_place_of_the_mail(proof: Make, dovecot_version: str) -> None:
    """Below the home that a static userdb gives."""
    if dovecot_version.startswith("2.3"):
        place = "'maildir:~/Maildir' AS userdb_mail"
    else:
        place = "'~/Maildir' AS userdb_mail_path"
    told = proof(
        *(dovecot_version, "sqlite", {"alice": GOOD}),
        protocols=("imap",),
        query=query(dovecot_version, f"{place}, '1' AS userdb_quota_rule"),
    )
    lab = told.lab
    assert opens(lab)
    assert (lab.folder / "mail" / "alice" / "Maildir").is_dir(), lab.log()
    told.finds(set(), password=SECRET)
    os.chown(lab.folder / "mail" / "alice" / "Maildir", 0, 0)
    assert not opens(lab, patience=8.0)
    [found] = told.finds({"USERDB004"}, password=SECRET)
    assert "/mail/alice/Maildir" in found.problem.says


def test_the_fields_are_those_of_the_passdb_that_lets_in(proof: Make, dovecot_version: str) -> None:
    """The first has the user with another password, and root's uid; the second counts."""
    other = argon2id(b"another", memory=1 * MiB)
    users = {"alice": f"{other}:::::: userdb_uid=0 userdb_gid=0 userdb_home=/root"}
    told = proof(dovecot_version, "passwd-file", users, protocols=("imap",))
    lab = told.lab
    PREFETCH(lab)
    file = told.write("more", f"alice:{GOOD}:::::: userdb_uid=65534 userdb_gid=65534 userdb_home=/tmp\n")
    lab.configure(
        f"passdb {{\n  driver = passwd-file\n  args = {file}\n}}\n"
        if lab.dialect == "2.3"
        else f"passdb more {{\n  driver = passwd-file\n  passwd_file_path = {file}\n}}\n"
    )
    lab.restart()
    assert opens(lab)
    told.finds({"CONF011"}, password=SECRET)
    told.finds({"USERDB003"}, password=b"another")


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_userdb006_a_name_that_this_system_does_not_have(
    proof: Make, dovecot_version: str, kind: str
) -> None:
    """The name is at fault: mail_uid and mail_gid, though set, do not help."""
    bad = OWN.replace(f"65534 AS userdb_{kind}", f"'vmailx' AS userdb_{kind}")
    told = told_of(proof, dovecot_version, bad)
    PREFETCH(told.lab)
    told.lab.configure("mail_uid = nobody\nmail_gid = nogroup\n")
    told.lab.restart()
    assert auth_test(told.lab)
    assert not opens(told.lab, patience=8.0)
    [found] = told.finds({"USERDB006"}, password=SECRET)
    assert f"{kind} 'vmailx', which is no {'user' if kind == 'uid' else 'group'} of" in found.problem.says
    assert "returns no" not in found.problem.says
    assert not found.problem.remedy.config


def test_userdb006_a_bad_name_under_a_good_uid(proof: Make, dovecot_version: str) -> None:
    """What the userdb puts over the passdb's name does not mend the login."""
    told = told_of(proof, dovecot_version, OWN.replace("65534 AS userdb_uid", "'vmailx' AS userdb_uid"))
    SQL(told.lab)
    user_query(told.lab, "65534 AS uid, 65534 AS gid, '/tmp' AS home")
    told.lab.restart()
    assert auth_test(told.lab)
    assert not opens(told.lab, patience=8.0)
    [found] = told.finds({"USERDB006"}, password=SECRET)
    assert "'vmailx'" in found.problem.says


def test_userdb006_mail_uid_that_is_none(proof: Make, dovecot_version: str) -> None:
    told = told_of(proof, dovecot_version, "'/tmp' AS userdb_home")
    PREFETCH(told.lab)
    told.lab.configure("mail_uid = vmailx\nmail_gid = nogroup\n")
    told.lab.restart()
    assert not opens(told.lab, patience=8.0)
    [found] = told.finds({"USERDB006"}, password=SECRET)
    assert "mail_uid is 'vmailx'" in found.problem.says
