"""AUTH003: a mechanism that never sends the password, and a hash that it cannot be served from."""

import imaplib
import poplib
from collections.abc import Callable

import pytest

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Certainty, Finding, Severity
from mailauth.hashes import Password, generate
from tests.proofs.story import SECRET, Fault, MiB, Proof, argon2id

Make = Callable[..., Proof]

GOOD = argon2id(memory=1 * MiB)
CRAM = "auth_mechanisms = plain login cram-md5\n"


def cram_md5(told: Proof) -> bool:
    with imaplib.IMAP4("127.0.0.1", told.lab.ports["imap"], timeout=60) as client:
        try:
            client.login_cram_md5(told.user, told.password.decode())
        except imaplib.IMAP4.error:
            return False
        return True


def finds(told: Proof, codes: set[str], mechanism: str) -> list[Finding]:
    dovecot = at_pid(told.lab.master_pid, None)
    diagnosis = look(Target(told.user, dovecot, Password(told.password), mechanism=mechanism)).diagnosis
    assert [f"{one.rule.code}: {one.missing.reason}" for one in diagnosis.undecided] == []
    assert codes == {one.rule.code for one in diagnosis.findings}
    return list(diagnosis.findings)


@pytest.mark.parametrize("kind", ["passwd-file", "sqlite"])
def test_auth003(proof: Make, dovecot_version: str, kind: str) -> None:
    """Clients that choose CRAM-MD5 fail; PLAIN goes on working, and is not complained of when it is used."""
    told = proof(dovecot_version, kind, {"alice": GOOD}, protocols=("imap",))

    fault = Fault(settings=CRAM, name="CRAM-MD5 offered, Argon2 stored")
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)
    told.lab.configure(fault.settings)
    told.lab.reload()
    assert not cram_md5(told)
    finds(told, set(), "plain")
    (chosen,) = finds(told, {"AUTH003"}, "CRAM-MD5")
    assert (chosen.problem.certainty, chosen.severity) == (Certainty.PROVEN, Severity.BLOCKS_LOGIN)
    told.lab.configure("")
    told.lab.reload()
    found = told.story(fault, {"AUTH003"}, answers=[True])
    assert (found[0].problem.certainty, found[0].severity) == (Certainty.LIKELY, Severity.RISK)
    assert "CRAM-MD5 cannot be served from ARGON2ID" in found[0].problem.says
    assert "/settings.conf:1)" in found[0].problem.says  # where it is set
    assert told.lab.config.read_text().splitlines()[-1] == "auth_mechanisms = plain login"


@pytest.mark.parametrize("scheme", ["PLAIN", "CRAM-MD5"])
def test_auth003_is_silent_where_it_is_served(proof: Make, dovecot_version: str, scheme: str) -> None:
    """The password itself, or the mechanism's own scheme."""
    told = proof(
        dovecot_version,
        "sqlite",
        {"alice": generate(scheme, Password(SECRET))},
        settings=CRAM,
        protocols=("imap",),
    )
    assert told.logins() == [True]
    assert cram_md5(told)
    told.finds(set(), password=SECRET)
    finds(told, set(), "cram-md5")


def test_auth003_apop(proof: Make, dovecot_version: str) -> None:
    """APOP hashes the password with what the server said: nothing stored but the password will do."""
    told = proof(
        dovecot_version,
        "sqlite",
        {"alice": generate("CRAM-MD5", Password(SECRET))},
        settings="auth_mechanisms = plain apop\n",
        protocols=("pop3",),
    )
    for working, stored in ((False, None), (True, "{PLAIN}" + SECRET.decode())):
        if stored:
            told.lab.set_password("alice", stored)
        client = poplib.POP3("127.0.0.1", told.lab.ports["pop3"], timeout=60)
        try:
            said = client.apop(told.user, told.password.decode()).startswith(b"+OK")
        except poplib.error_proto:
            said = False
        finally:
            client.close()
        assert said is working
        told.finds(set() if working else {"AUTH003"}, password=SECRET)


def test_auth003_scram(proof: Make, dovecot_version: str) -> None:
    """A SCRAM mechanism takes its own scheme, and not the other's."""
    settings = "auth_mechanisms = plain scram-sha-256 scram-sha-1\n"
    told = proof(
        dovecot_version, "sqlite", {"alice": generate("SCRAM-SHA-256", Password(SECRET))}, settings=settings
    )
    assert told.logins() == [True]
    found = told.finds({"AUTH003"}, password=SECRET)
    assert found[0].problem.says.startswith("SCRAM-SHA-1 cannot")


def test_auth003_blocks_where_nothing_else_is_offered(proof: Make, dovecot_version: str) -> None:
    settings = "auth_mechanisms = cram-md5\n"
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD}, settings=settings, protocols=("imap",))
    assert not cram_md5(told)
    (found,) = told.finds({"AUTH003"}, password=SECRET)
    assert found.severity is Severity.BLOCKS_LOGIN
    told.paste([found])
    told.lab.reload()
    assert told.logins() == [True]
    told.finds(set(), password=SECRET)


def test_auth003_not_offered(proof: Make, dovecot_version: str) -> None:
    """The client insists on a mechanism that the server does not have."""
    told = proof(dovecot_version, "sqlite", {"alice": "{PLAIN}" + SECRET.decode()}, protocols=("imap",))
    assert not cram_md5(told)
    found = finds(told, {"AUTH003"}, "cram-md5")
    told.paste(found)
    assert cram_md5(told)
    finds(told, set(), "cram-md5")
