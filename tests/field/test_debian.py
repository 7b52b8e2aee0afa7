"""Debian's own configuration, as the package leaves it, with the one change that its comments propose."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import builds
from tests.conftest import missing
from tests.field.commands import is_healthy
from tests.field.rig import Rig
from tests.proofs.story import Proof

SECRET = "correct horse"
STORED = generate("SHA512-CRYPT", Password.of(SECRET), user="", rounds=1000)
PROTOCOLS = ("imap", "pop3", "sieve")
SYSTEM = ("!include auth-system.conf.ext", "#!include auth-system.conf.ext")
FILE = ("#!include auth-passwdfile.conf.ext", "!include auth-passwdfile.conf.ext")
MAIL = {  # where the mail is, in the words of either dialect
    "2.3": """
mail_location = maildir:@DIR@/mail/%u
disable_plaintext_auth = no
protocols = imap pop3 sieve
""",
    "2.4": """
mail_driver = maildir
mail_home = @DIR@/mail/%{user}
mail_path = ~/mail
mail_inbox_path =
auth_allow_cleartext = yes
protocols = imap pop3 sieve
""",
}


def tree(version: str) -> dict[str, str]:
    """Every file of /etc/dovecot, as the package has it."""
    build = builds.available(version)
    if build is None:
        missing(f"Dovecot {version} is not here; fetch it with: mailauth lab fetch {version}")
    assert build
    folder = (build.root or Path("/")) / "etc/dovecot"
    found = {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*.conf*"))
        if path.is_file()
    }
    return {name: text.replace("/etc/dovecot/", "@DIR@/") for name, text in found.items()}


def with_a_file(version: str) -> dict[str, str]:
    """The same with a passwd-file in place of the system's users."""
    files = tree(version)
    for old, new in (SYSTEM, FILE):
        assert old in files["conf.d/10-auth.conf"]
        files["conf.d/10-auth.conf"] = files["conf.d/10-auth.conf"].replace(old, new)
    dialect = "2.3" if version.startswith("2.3") else "2.4"
    if dialect == "2.4":  # all of its blocks are comments
        own = files["conf.d/auth-passwdfile.conf.ext"]
        files["conf.d/auth-passwdfile.conf.ext"] = re.sub(r"(?m)^#(?=passdb|userdb|  |\})", "", own).replace(
            "/home/virtual/", "@DIR@/mail/"
        )
    files["local.conf"] = MAIL[dialect]
    files["users"] = f"alice:{STORED}:65534:65534::@DIR@/mail/alice::\n"
    return files


def started(rig: Callable[..., Rig], version: str, files: dict[str, str]) -> Rig:
    """With a certificate where the package's own would be."""
    for name, text in files.items():
        files[name] = text.replace("@DIR@/private/dovecot.pem", "@DIR@/tls.crt").replace(
            "@DIR@/private/dovecot.key", "@DIR@/tls.key"
        )
    return rig(version, "passwd-file", files, protocols=PROTOCOLS, tls=True)


def test_a_passwd_file_in_debians_tree(rig: Callable[..., Rig], dovecot_version: str) -> None:
    one = started(rig, dovecot_version, with_a_file(dovecot_version))
    assert one.login("alice", SECRET.encode()).ok, one.log()
    is_healthy(one, "alice", SECRET)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("a line of another user", f"bob:{STORED}:65534:65534::@DIR@/mail/bob::\n", "USER001"),
        ("a blank before the name", f" alice:{STORED}:65534:65534::@DIR@/mail/alice::\n", "USER013"),
        ("the hash is cut", f"alice:{STORED[:-9]}:65534:65534::@DIR@/mail/alice::\n", "HASH005"),
    ],
)
def test_a_broken_line(
    rig: Callable[..., Rig], dovecot_version: str, name: str, text: str, code: str
) -> None:
    files = with_a_file(dovecot_version)
    files["users"] = text
    one = started(rig, dovecot_version, files)
    assert not one.login("alice", SECRET.encode()).ok, name
    Proof(one, "alice", SECRET.encode()).finds({code}, password=SECRET.encode())


def test_a_user_without_a_uid(rig: Callable[..., Rig], dovecot_version: str) -> None:
    """The tree names its protocols in a file each, in 2.4 as a block: the userdb is asked all the same."""
    files = with_a_file(dovecot_version)
    files["users"] = f"alice:{STORED}::::@DIR@/mail/alice::\n"
    one = started(rig, dovecot_version, files)
    assert one.login("alice", SECRET.encode()).ok
    Proof(one, "alice", SECRET.encode()).finds({"USERDB006"}, password=SECRET.encode())


def test_the_untouched_tree_knows_no_such_account(rig: Callable[..., Rig], dovecot_version: str) -> None:
    """PAM is asked, as by the package, and the system has no such user."""
    one = started(rig, dovecot_version, tree(dovecot_version))
    looked = Proof(one, "nobody-of-this-name", SECRET.encode()).look(password=SECRET.encode())
    assert [f.rule.code for f in looked.diagnosis.findings] == ["USER001"]
    assert not looked.diagnosis.undecided
