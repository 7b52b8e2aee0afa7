"""Faults that break one layer each: it is named, and no other.  On a Dovecot and a Postfix of their own."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec

from mailauth.clients.door import Door
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.lab.settings import AUTH_POSTFIX, PROTOCOLS
from mailauth.login.enter import log_in
from mailauth.login.judge import Breaks, Judgement, judge
from mailauth.login.logged import mark, with_log
from mailauth.login.site import look_at
from mailauth.login.ways import Choice, ways

PASSWORD = Password.of("correct horse")
GOOD = generate("SHA512-CRYPT", PASSWORD, rounds=1000)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix runs as root only")
PATIENT = 60.0  # seconds that who answers is waited for, on a busy machine, too
HANGS = 1.5  # and who is made not to
Texts = dict[str, str]


def both(text: str) -> Texts:
    return {"2.3": text, "2.4": text}


def mib(number: int) -> str:
    return generate("ARGON2ID", PASSWORD, memory=number * 1024, time=1, lanes=1)


def replaced_userdb(text: Texts) -> Callable[[Lab], None]:
    """Have this userdb and no other."""

    def do(lab: Lab) -> None:
        old = lab.config.read_text()
        pattern = r"userdb( static)? \{\n.*?\n\}\n"
        new, count = re.subn(pattern, lambda _: text[lab.dialect], old, count=1, flags=re.DOTALL)
        assert count == 1
        lab.config.write_text(new)

    return do


def another_key(lab: Lab) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    (lab.folder / "tls.key").write_bytes(text)


def postfix_elsewhere(lab: Lab) -> None:
    assert lab.postfix
    lab.postfix.configure(lab.folder / "run" / "no-such-socket", None)


def no_socket(lab: Lab) -> None:
    lab.auth_socket.unlink()


@dataclass(frozen=True)
class Fault:
    """What is done to a healthy system, and what breaks: the layer, and for which service."""

    breaks: Breaks
    service: str = ""
    stored: str = GOOD
    settings: Texts = field(default_factory=lambda: both(""))
    change: Callable[[Lab], None] = lambda _: None
    mechanisms: tuple[str, ...] = ("PLAIN",)
    protocols: tuple[str, ...] = ()
    reload: bool = True
    hangs: bool = False  # Dovecot's login processes do
    later: Callable[[Lab], None] = lambda _: None  # after the reload
    cause: str = ""  # a word of what the log's line comes to


FAULTS = {
    "another password's hash": Fault(
        Breaks.HASH,
        stored=generate("SHA512-CRYPT", Password.of("other"), rounds=1000),
        protocols=("imap",),
        reload=False,
    ),
    "no room for the hash": Fault(
        Breaks.PASSDB,
        stored=mib(100),
        settings=both("service auth {\n  vsz_limit = 64M\n}\n"),
        protocols=("imap",),
    ),
    "let in from elsewhere only": Fault(
        Breaks.PASSDB,
        stored=f"{GOOD}::::::allow_nets=192.0.2.0/24",
        protocols=("imap",),
        reload=False,
    ),
    "a scheme that CRAM-MD5 cannot use": Fault(
        Breaks.MECHANISM,
        "CRAM-MD5",
        settings=both("auth_mechanisms = plain cram-md5\n"),
        mechanisms=("PLAIN", "CRAM-MD5"),
        protocols=("imap", "pop3"),
    ),
    "a mechanism that is not offered": Fault(
        Breaks.MECHANISM, "SCRAM-SHA-256", mechanisms=("SCRAM-SHA-256",), reload=False
    ),
    "unknown to the userdb": Fault(
        Breaks.USERDB,
        change=replaced_userdb(
            {
                "2.3": "userdb {\n  driver = passwd-file\n  args = /dev/null\n}\n",
                "2.4": "userdb passwd-file {\n  passwd_file_path = /dev/null\n}\n",
            }
        ),
    ),
    "a userdb without a uid": Fault(
        Breaks.USERDB,
        change=replaced_userdb(
            {
                "2.3": "userdb {\n  driver = static\n  args = home=/tmp\n}\n",
                "2.4": "userdb static {\n  fields {\n    home = /tmp\n  }\n}\n",
            }
        ),
    ),
    "protocols without pop3": Fault(
        Breaks.LISTENER,
        "pop3",
        settings={
            "2.3": "protocols = imap submission sieve\n",
            "2.4": "protocols {\n  pop3 = no\n}\n",
        },
        protocols=("imap", "pop3"),
    ),
    "a listener on a new port, not reloaded": Fault(
        Breaks.LISTENER,
        "pop3",
        settings=both("service pop3-login {\n  inet_listener pop3 {\n    port = 1\n  }\n}\n"),
        reload=False,
    ),
    "a login process without room": Fault(
        Breaks.LOGIN_PROCESS, "imap", settings=both("service imap-login {\n  vsz_limit = 1M\n}\n")
    ),
    "the login socket closed": Fault(
        Breaks.LOGIN_SOCKET,
        "imap",
        settings=both("service auth {\n  unix_listener login/login {\n    mode = 0600\n  }\n}\n"),
        protocols=("imap", "smtp"),
        hangs=True,
    ),
    "another certificate's key": Fault(Breaks.TLS, "imap", change=another_key, protocols=("imap",)),
    "a plugin of IMAP's that is not there": Fault(
        Breaks.MAIL,
        "imap",
        settings={
            "2.3": "protocol imap {\n  mail_plugins = nosuch\n}\n",
            "2.4": "protocol imap {\n  mail_plugins {\n    nosuch = yes\n  }\n}\n",
        },
        cause="plugin",
    ),
    "a uid that is not allowed": Fault(
        Breaks.MAIL,
        "imap",
        settings=both("first_valid_uid = 70000\n"),
        protocols=("imap",),
        cause="first_valid_uid",
    ),
    "a mail folder that is closed": Fault(
        Breaks.MAIL,
        "imap",
        settings={
            "2.3": "protocol imap {\n  mail_location = maildir:/root/nosuch\n}\n",
            "2.4": "protocol imap {\n  mail_path = /root/nosuch\n}\n",
        },
        protocols=("imap",),
        cause="no permission",
    ),
    "a storage that is not known": Fault(
        Breaks.MAIL,
        "imap",
        settings={
            "2.3": "protocol imap {\n  mail_location = nosuch:/tmp\n}\n",
            "2.4": "protocol imap {\n  mail_driver = nosuch\n}\n",
        },
        protocols=("imap",),
        cause="where the mail is set to be",
    ),
    "POP3's mail where nobody may write": Fault(
        Breaks.MAIL,
        "pop3",
        settings={
            "2.3": "protocol pop3 {\n  mail_location = maildir:/proc/nosuch\n}\n",
            "2.4": "protocol pop3 {\n  mail_path = /proc/nosuch\n}\n",
        },
        cause="not there",
    ),
    "a relay that does not answer": Fault(
        Breaks.RELAY, "submission", settings=both("submission_relay_port = 1\n")
    ),
    "no relay": Fault(Breaks.RELAY, "submission", settings=both("submission_relay_host =\n")),
    "scripts where nobody may write": Fault(
        Breaks.MAIL,
        "sieve",
        settings={
            "2.3": "plugin {\n  sieve = file:/proc/nosuch;active=/proc/nosuch.sieve\n}\n",
            "2.4": "sieve_script personal {\n  driver = file\n  path = /proc/nosuch\n"
            "  active_path = /proc/nosuch.sieve\n}\n",
        },
    ),
    "Postfix asks elsewhere": Fault(
        Breaks.POSTFIX, "smtp", change=postfix_elsewhere, protocols=("imap", "smtp")
    ),
    "no auth socket": Fault(Breaks.AUTH, later=no_socket),
}


def judged(lab: Lab, choice: Choice) -> Judgement:
    """What a round of logins comes to."""
    site = look_at(at_pid(lab.master_pid, None))
    began = mark(site)
    return with_log(judge(log_in(ways(site, choice), "alice", PASSWORD, site)), "alice", site, began)


def choice_of(lab: Lab, fault: Fault | None = None) -> Choice:
    """All protocols, or the fault's; a Postfix's ports where there is one."""
    protocols = fault.protocols if fault else ()
    timeout = HANGS if fault and fault.hangs else PATIENT
    smtp: tuple[Door, ...] = ()
    if "smtp" in lab.ports and (not protocols or "smtp" in protocols):
        plain, secured = lab.ports["smtp"], lab.ports["smtps"]
        smtp = (
            Door("smtp", "127.0.0.1", plain, "plain", PATIENT),
            Door("smtp", "127.0.0.1", plain, "starttls", PATIENT),
            Door("smtp", "127.0.0.1", secured, "tls", PATIENT),
        )
    mechanisms = fault.mechanisms if fault else ()
    return Choice(protocols=protocols, mechanisms=mechanisms, smtp=smtp, timeout=timeout)


@contextmanager
def broken(lab: Lab, fault: Fault) -> Iterator[None]:
    """The fault in; and out again."""
    files = {file: file.read_bytes() for file in (lab.config, lab.folder / "tls.key")}
    if lab.store.users()["alice"] != fault.stored:
        lab.set_password("alice", fault.stored)
    lab.configure(fault.settings[lab.dialect])
    fault.change(lab)
    if fault.reload:
        lab.reload()
    fault.later(lab)
    yield
    for file, text in files.items():
        file.write_bytes(text)
    assert lab.postfix
    lab.postfix.configure(lab.auth_socket.with_name(AUTH_POSTFIX), lab.postfix.certificate)


def found(judgement: Judgement) -> list[tuple[str, str]]:
    assert not judgement.unseen
    return [(fault.breaks.value, fault.service) for fault in judgement.faults]


@needs_root
def test_each_fault_is_in_one_layer_and_that_is_named(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, users={"alice": GOOD}, protocols=PROTOCOLS, tls=True, postfix=True) as one:
        said, causes = {}, {}
        for name, fault in FAULTS.items():
            with broken(one, fault):
                told = judged(one, choice_of(one, fault))
                said[name], causes[name] = found(told), told.first
        assert said == {name: [(fault.breaks.value, fault.service)] for name, fault in FAULTS.items()}
        for name, fault in FAULTS.items():
            first = causes[name]
            assert first
            assert fault.cause in first.cause, name
            assert not fault.cause or first.log.startswith(fault.service), name
