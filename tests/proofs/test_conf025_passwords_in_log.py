"""CONF025 on a real Dovecot: its log has the passwords, that is found, is mended, and the log has none."""

import base64
import hashlib
from collections.abc import Callable

import pytest

from mailauth.finding import Severity
from tests.proofs.story import SECRET, Fault, MiB, Proof, argon2id

GOOD = argon2id(memory=1 * MiB)
TYPED = b"wrong horse"
SHA1 = hashlib.sha1(TYPED, usedforsecurity=False).hexdigest()
RIGHT = base64.b64encode(b"\0alice\0" + SECRET).decode()
PLAIN = "given password: wrong horse)"


def imap(name: str, value: str) -> str:
    return f"protocol imap {{\n  {name} = {value}\n}}\n"


Story = tuple[str, str, Severity]  # the settings, what the log has by them, and how bad that is
MAIN: list[Story] = [
    ("auth_debug_passwords = yes\n", "resp=" + RIGHT, Severity.RISK),
    ("auth_verbose = no\nauth_verbose_passwords = plain\n", PLAIN, Severity.RISK),
    ("auth_verbose_passwords = sha1\n", f"given password: {SHA1})", Severity.NOTE),
]
MORE: list[Story] = [
    ("auth_debug = yes\n" + imap("auth_debug_passwords", "yes"), "ARGON2ID(wrong horse)", Severity.RISK),
    ("auth_verbose_passwords = yes:2\n", PLAIN, Severity.RISK),
    ("auth_verbose_passwords = plain:5\n", "given password: wrong)", Severity.RISK),
    (imap("auth_verbose_passwords", "plain"), PLAIN, Severity.RISK),
    ("auth_verbose_passwords = sha1:9\n", f"given password: {SHA1[:9]})", Severity.NOTE),
]
# A login by imap does not log these, and one by another protocol does.
ELSEWHERE = [
    "protocol pop3 {\n  auth_verbose_passwords = plain\n}\n",
    "auth_verbose_passwords = plain\n" + imap("auth_verbose_passwords", "no"),
]
FINE = {
    "no": "auth_debug_passwords = no\nauth_verbose_passwords = no\n",
    "sha1:6": "auth_verbose_passwords = sha1:6\n",
    "sha1:8": "auth_verbose_passwords = sha1:8\n",
    "auth_debug": "auth_debug = yes\n",
    "of a protocol, without auth_debug": imap("auth_debug_passwords", "yes"),
}


def fails(told: Proof) -> None:
    assert not told.lab.login(told.user, TYPED).ok


def whole_log(told: Proof) -> str:
    return (told.lab.folder / "log").read_text()


def named(story: Story) -> str:
    return " ".join(story[0].split())


@pytest.mark.core
@pytest.mark.parametrize("story", MAIN, ids=named)
def test_conf025(proof: Callable[..., Proof], dovecot_version: str, story: Story) -> None:
    tell(proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",)), *story)


@pytest.mark.parametrize("story", MORE, ids=named)
def test_conf025_more(proof: Callable[..., Proof], dovecot_version: str, story: Story) -> None:
    tell(proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",)), *story)


def tell(told: Proof, settings: str, logged: str, severity: Severity) -> None:
    def in_log(_: object) -> None:
        told.lab.reload()
        assert told.logins() == [True]
        fails(told)
        assert told.lab.logs(logged), whole_log(told)

    name = f"passwords are logged: {' '.join(settings.split())}"
    found = told.story(Fault(settings, name=name, do=in_log), {"CONF025"}, answers=[True])
    assert [one.severity for one in found] == [severity]
    before = whole_log(told)
    assert told.logins() == [True]
    fails(told)
    assert told.lab.logs("assword mismatch", times=before.count("assword mismatch") + 1)
    after = whole_log(told)[len(before) :]
    assert not any(word in after for word in (logged, RIGHT, TYPED.decode(), SHA1[:7])), after


@pytest.mark.parametrize("settings", ELSEWHERE, ids=["pop3", "all but imap"])
def test_passwords_are_logged_for_another_protocol(
    proof: Callable[..., Proof], dovecot_version: str, settings: str
) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap", "pop3"))
    told.lab.configure(settings)
    told.lab.reload()
    for service, logged in (("imap", 0), ("pop3", 1)):
        assert not told.lab.login(told.user, TYPED, service=service).ok
        assert told.lab.logs("assword mismatch", times=logged + 1)
        assert whole_log(told).count(PLAIN) == logged
    told.paste(told.finds({"CONF025"}, password=told.password))
    told.finds(set(), password=told.password)


@pytest.mark.parametrize("settings", FINE.values(), ids=FINE)
def test_no_password_is_logged(proof: Callable[..., Proof], dovecot_version: str, settings: str) -> None:
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    told.lab.configure(settings)
    told.lab.reload()
    assert told.logins() == [True]
    fails(told)
    assert told.lab.logs("assword mismatch")
    told.finds(set(), password=told.password)
    assert not any(word in whole_log(told) for word in (RIGHT, TYPED.decode(), SHA1[:9]))
