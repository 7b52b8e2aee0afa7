"""The password is right and the login fails: USERDB001 to USERDB006.

``doveadm auth test`` asks the passdbs only, so it says yes; a real IMAP login and SELECT say no.
"""

import imaplib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mailauth.finding import Finding
from mailauth.lab import Lab
from tests.proofs.story import SECRET, MiB, Proof, argon2id

GOOD = argon2id(memory=1 * MiB)
NOBODY = 65534
Open = Callable[..., Proof]
Change = Callable[[Lab], object]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has mail of several uids")


@pytest.fixture
def mailbox(proof: Callable[..., Proof]) -> Open:
    """``mailbox(version, store, users)``: a Proof with IMAP."""

    def make(
        version: str, store: str = "passwd-file", users: Mapping[str, str] | None = None, **more: str
    ) -> Proof:
        return proof(version, store, users or {"alice": GOOD}, protocols=("imap",), **more)

    return make


def opens(lab: Lab, user: str = "alice", *, password: str = SECRET.decode(), patience: float = 60.0) -> bool:
    """Whether IMAP lets the user in, and opens the inbox."""
    try:
        link = imaplib.IMAP4("127.0.0.1", lab.ports["imap"], timeout=patience)
    except TimeoutError:
        return False  # no greeting before auth is there
    try:
        link.login(user, password)
        return link.select("INBOX")[0] == "OK"
    except (imaplib.IMAP4.error, TimeoutError):
        return False
    finally:
        link.shutdown()


def auth_test(lab: Lab) -> bool:
    return lab.run("doveadm", "auth", "test", "alice", SECRET.decode()).returncode == 0


def mail_story(told: Proof, fault: Change, codes: set[str], mend: Change | None = None) -> list[Finding]:
    """Healthy; broken, and auth test says yes while IMAP says no; found; mended; healthy."""
    lab = told.lab
    assert opens(lab)
    told.finds(set(), password=told.password)
    fault(lab)
    lab.restart()
    assert auth_test(lab)
    assert not opens(lab, patience=8.0)
    told.finds(codes)
    found = told.finds(codes, password=told.password)
    told.paste(found)
    if mend:
        mend(lab)
    lab.restart()
    assert opens(lab)
    told.finds(set(), password=told.password)
    return found


def userdb(text23: str, text24: str) -> Change:
    """Have this userdb and no other."""

    def do(lab: Lab) -> None:
        pattern = (
            r"userdb \{\n.*?\n\}\n"
            if lab.dialect == "2.3"
            else r"userdb static \{\n  fields \{.*?\n  \}\n\}\n"
        )
        text = (text23 if lab.dialect == "2.3" else text24).replace("FOLDER", str(lab.folder))
        old = lab.config.read_text()
        new, count = re.subn(pattern, lambda _: text, old, count=1, flags=re.DOTALL)
        assert count == 1
        lab.config.write_text(new)

    return do


def static(fields: str) -> Change:
    inside = "".join(f"    {word.replace('=', ' = ', 1)}\n" for word in fields.split())
    return userdb(
        f"userdb {{\n  driver = static\n  args = {fields}\n}}\n",
        f"userdb static {{\n  fields {{\n{inside}  }}\n}}\n",
    )


FILE = userdb(
    "userdb {\n  driver = passwd-file\n  args = FOLDER/homes\n}\n",
    "userdb passwd-file {\n  passwd_file_path = FOLDER/homes\n}\n",
)


def homes(lab: Lab, entries: str) -> None:
    """The userdb's passwd-file."""
    file = lab.folder / "homes"
    file.write_text(entries.replace("FOLDER", str(lab.folder)))
    file.chmod(0o644)


def restored(lab: Lab) -> Change:
    text = lab.config.read_text()
    return lambda _: lab.config.write_text(text)


@pytest.mark.core
def test_userdb001(mailbox: Open, dovecot_version: str) -> None:
    told = mailbox(dovecot_version)
    homes(told.lab, "bob:x:65534:65534::FOLDER/mail/bob\n")
    entries = "bob:x:65534:65534::FOLDER/mail/bob\nalice:x:65534:65534::FOLDER/mail/alice\n"
    found = mail_story(told, FILE, {"USERDB001"}, lambda lab: homes(lab, entries))
    assert "passwd-file" in found[0].problem.says


def test_userdb001_a_uid_that_is_none(mailbox: Open, dovecot_version: str) -> None:
    """A name that the system does not have makes the whole line unknown."""
    told = mailbox(dovecot_version)
    homes(told.lab, "alice:x:nosuch:65534::FOLDER/mail/alice\n")
    entries = "alice:x:65534:65534::FOLDER/mail/alice\n"
    mail_story(told, FILE, {"USERDB001"}, lambda lab: homes(lab, entries))


def test_userdb002(mailbox: Open, dovecot_version: str) -> None:
    told = mailbox(dovecot_version)
    old = restored(told.lab)

    def homeless(lab: Lab) -> None:
        static("uid=65534 gid=65534")(lab)
        setting = "mail_location = maildir:~/Maildir" if lab.dialect == "2.3" else "mail_path = ~/Maildir"
        lab.configure(f"{setting}\n")

    def mend(lab: Lab) -> None:
        """The remedy's path is an example."""
        variables = "%u" if lab.dialect == "2.3" else "%{user}"
        lab.configure(f"mail_home = {lab.folder}/mail/{variables}\n")
        old(lab)

    found = mail_story(told, homeless, {"USERDB002"}, mend)
    assert "~/Maildir" in found[0].problem.says


@pytest.mark.parametrize(
    ("setting", "value"), [("first_valid_uid", 70000), ("first_valid_gid", 70000), ("last_valid_uid", 60000)]
)
def test_userdb003(mailbox: Open, dovecot_version: str, setting: str, value: int) -> None:
    told = mailbox(dovecot_version)
    found = mail_story(told, lambda lab: lab.configure(f"{setting} = {value}\n"), {"USERDB003"})
    assert "65534" in found[0].problem.says


def test_userdb003_root(mailbox: Open, dovecot_version: str) -> None:
    told = mailbox(dovecot_version)
    found = mail_story(told, static("uid=0 gid=0 home=/root"), {"USERDB003"}, restored(told.lab))
    assert found[0].problem.remedy.summary.startswith("Set uid and gid of userdb static, in its ")


def test_userdb004_not_yet_there(mailbox: Open, dovecot_version: str) -> None:
    """The folder above belongs to root: Dovecot cannot make the mail folder."""
    told = mailbox(dovecot_version)
    mail = told.lab.folder / "mail"

    def deny(_: Lab) -> None:
        for path in sorted(mail.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        os.chown(mail, 0, 0)

    found = mail_story(told, deny, {"USERDB004"})
    assert f"write {mail}" in found[0].problem.says
    os.chown(mail, NOBODY, NOBODY)


def test_userdb004_somebody_elses(mailbox: Open, dovecot_version: str) -> None:
    """As after a restore by root."""
    told = mailbox(dovecot_version)
    mail = told.lab.folder / "mail" / "alice"

    def deny(_: Lab) -> None:
        for path in [mail, *mail.rglob("*")]:
            os.chown(path, 0, 0)

    found = mail_story(told, deny, {"USERDB004"})
    assert str(mail) in found[0].problem.says


def test_userdb004_a_closed_folder(mailbox: Open, dovecot_version: str) -> None:
    told = mailbox(dovecot_version)
    mail = told.lab.folder / "mail"

    def close(_: Lab) -> None:
        os.chown(mail, 0, 0)
        mail.chmod(0o700)

    mail_story(told, close, {"USERDB004"})


def test_userdb004_more_than_one_folder(mailbox: Open, dovecot_version: str) -> None:
    """One remedy names all that stands in the way, and after it the mail opens."""
    told = mailbox(dovecot_version)
    outer = told.lab.folder / "mail"
    inner = outer / "alice" / "deep"
    place = inner / "Maildir"
    where = f"mail_location = maildir:{place}" if dovecot_version < "2.4" else f"mail_path = {place}"

    def there(_: Lab) -> None:
        told.lab.configure(f"{where}\n")
        inner.mkdir(parents=True)
        for path in (outer, inner):
            os.chown(path, 0, 0)
            path.chmod(0o700)

    def owned(_: Lab) -> None:
        place.mkdir(exist_ok=True)
        for path in (outer, inner, place):
            os.chown(path, 0, 0)
            path.chmod(0o700)

    (found,) = mail_story(told, there, {"USERDB004"})
    for words in (f"cannot make {place}", f"enter {outer} (", f"enter {inner} (", f"write {inner} ("):
        assert words in found.problem.says
    (found,) = mail_story(told, owned, {"USERDB004"}, lambda lab: lab.configure(f"{where}\n"))
    for words in (f"cannot open {place}", f"enter {outer} (", f"enter {inner} (", f"write {place} ("):
        assert words in found.problem.says


@pytest.mark.parametrize("fault", ["no such column", "no number"])
def test_userdb005(mailbox: Open, dovecot_version: str, fault: str) -> None:
    told = mailbox(dovecot_version, "sqlite")
    wrong = "nosuch" if fault == "no such column" else "'x' AS uid, 65534 AS gid"
    right = "65534 AS uid, 65534 AS gid"

    def ask(fields: str) -> Change:
        def do(lab: Lab) -> None:
            if lab.dialect == "2.3":
                file = lab.folder / "dovecot-sql.conf.ext"
                query = f"user_query = SELECT {fields} FROM users WHERE userid = '%u'\n"
                file.write_text(file.read_text() + query)
            else:
                query = f"userdb_sql_query = SELECT {fields} FROM users WHERE userid = '%{{user}}'\n"
                lab.configure(query)

        return do

    def broken(lab: Lab) -> None:
        userdb("userdb {\n  driver = sql\n  args = FOLDER/dovecot-sql.conf.ext\n}\n", "userdb sql {\n}\n")(
            lab
        )
        ask(wrong)(lab)

    [found] = mail_story(told, broken, {"DB004" if fault == "no such column" else "USERDB005"}, ask(right))
    if found.rule.code == "USERDB005":
        assert "Invalid UID value '... (the userdb gives a user" in found.problem.says


@pytest.mark.parametrize("value", ["yes", "no"])
def test_userdb005_the_passdb_brings_tempfail(mailbox: Open, dovecot_version: str, value: str) -> None:
    """Each login fails with "Internal auth failure", and doveadm user finds the user."""
    told = mailbox(dovecot_version, users={"alice": f"{GOOD}::::::userdb_tempfail={value}"})
    assert not opens(told.lab)
    [found] = told.finds({"USERDB005"}, password=told.password)
    assert "returns userdb_tempfail" in found.problem.says
    told.lab.set_password("alice", GOOD)
    assert opens(told.lab)
    told.finds(set(), password=told.password)


@pytest.mark.parametrize("how", ["query", "block"])
def test_userdb005_the_userdb_has_tempfail(mailbox: Open, dovecot_version: str, how: str) -> None:
    told = mailbox(dovecot_version, "sqlite")
    if how == "block":
        old = "userdb {\n  driver = static\n  args = uid=65534 gid=65534 home=/tmp tempfail=no\n}\n"
        fields = "uid = 65534\n gid = 65534\n home = /tmp\n tempfail = no\n"
        new = f"userdb static {{\n  fields {{\n {fields} }}\n}}\n"
        userdb(old, new)(told.lab)
    else:
        sql = "userdb {\n  driver = sql\n  args = FOLDER/dovecot-sql.conf.ext\n}\n"
        userdb(sql, "userdb sql {\n}\n")(told.lab)
        asked = (
            "SELECT 65534 AS uid, 65534 AS gid, '/tmp' AS home, 'no' AS tempfail FROM users WHERE userid ="
        )
        if told.lab.dialect == "2.3":
            file = told.lab.folder / "dovecot-sql.conf.ext"
            file.write_text(f"{file.read_text()}user_query = {asked} '%u'\n")
        else:
            told.lab.configure(f"userdb_sql_query = {asked} '%{{user}}'\n")
    told.lab.restart()
    assert not opens(told.lab)
    [found] = told.finds({"USERDB005"}, password=told.password)
    assert "tempfail" in found.problem.says


@pytest.mark.parametrize("home", ["/var/mail", "/var/mail/%u"])
def test_a_passwd_file_with_what_static_takes(mailbox: Open, dovecot_version: str, home: str) -> None:
    """2.3's args are a path to it, and CONF015 is no cause; 2.4 has no args: it has fields, and no file."""
    told = mailbox(dovecot_version)
    before = restored(told.lab)
    fields = f"uid = 65534\n gid = 65534\n home = {home.replace('%u', '%{user}')}\n"
    old = f"userdb {{\n  driver = passwd-file\n  args = uid=65534 gid=65534 home={home}\n}}\n"
    broken = userdb(old, f"userdb passwd-file {{\n  fields {{\n {fields} }}\n}}\n")
    [found] = mail_story(told, broken, {"USERDB005"}, before)
    if told.lab.dialect == "2.3":
        assert "has static's arguments (uid, gid, home) where the path" in found.problem.says
        assert "driver = static" in found.problem.remedy.summary
    else:
        assert "userdb 1 (passwd-file) names no file: passwd_file_path is not set" in found.problem.says
        assert "passwd_file_path" in found.problem.remedy.summary


def test_userdb005_prefetch(mailbox: Open, dovecot_version: str) -> None:
    """Only prefetch, and the passdb brings nothing along."""
    told = mailbox(dovecot_version)
    prefetch = userdb("userdb {\n  driver = prefetch\n}\n", "userdb prefetch {\n}\n")
    mail_story(told, prefetch, {"USERDB005"}, restored(told.lab))


def test_prefetch_with_fields_is_fine(mailbox: Open, dovecot_version: str) -> None:
    """Doveadm user cannot ask it; a login works."""
    entry = f"{GOOD}:::::: userdb_uid=65534 userdb_gid=65534 userdb_home=/tmp"
    told = mailbox(dovecot_version, users={"alice": entry})
    userdb("userdb {\n  driver = prefetch\n}\n", "userdb prefetch {\n}\n")(told.lab)
    told.lab.restart()
    assert opens(told.lab)
    told.finds(set(), password=told.password)


@pytest.mark.parametrize("how", ["no userdb", "no uid"])
def test_userdb006(mailbox: Open, dovecot_version: str, how: str) -> None:
    told = mailbox(dovecot_version)
    fault = userdb("", "") if how == "no userdb" else static("home=/tmp")
    ids = "mail_uid = nobody\nmail_gid = nogroup\n"

    def name_ours(lab: Lab) -> None:
        lab.config.write_text(lab.config.read_text() + ids)

    found = mail_story(told, fault, {"USERDB006"}, name_ours)
    assert "mail_uid" in found[0].problem.remedy.config[told.lab.dialect]


def test_a_mail_folder_that_is_new(mailbox: Open, dovecot_version: str) -> None:
    """Before the first login there is none, and that is fine."""
    told = mailbox(dovecot_version)
    assert not (Path(told.lab.folder) / "mail" / "alice").exists()
    told.finds(set(), password=told.password)
    assert opens(told.lab)


def test_conf017(mailbox: Open, dovecot_version: str) -> None:
    """The login process cannot ask auth: IMAP waits, and doveadm auth test says yes."""
    told = mailbox(dovecot_version)
    listener = "service auth {\n  unix_listener login/login {\n    mode = 0600\n  }\n}\n"
    mail_story(told, lambda lab: lab.configure(listener), {"CONF017"})


def test_conf017_socket_removed(mailbox: Open, dovecot_version: str) -> None:
    told = mailbox(dovecot_version)
    (told.lab.folder / "run" / "login" / "login").unlink()
    assert auth_test(told.lab)
    assert not opens(told.lab, patience=8.0)
    told.finds({"CONF017"})


def test_conf017_the_folder_is_closed(mailbox: Open, dovecot_version: str) -> None:
    told = mailbox(dovecot_version)
    folder = told.lab.folder / "run" / "login"
    folder.chmod(0o600)
    assert auth_test(told.lab)
    assert not opens(told.lab, patience=8.0)
    found = told.finds({"CONF017"}, password=told.password)
    told.paste(found)
    assert opens(told.lab)
    told.finds(set(), password=told.password)
