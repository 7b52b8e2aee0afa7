"""Ways in that differ by mechanism, port or service, and whom a fault is not put down to."""

import os
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from mailauth.clients.door import Answer
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from mailauth.lab.settings import PROTOCOLS
from mailauth.login import asked
from mailauth.login.enter import log_in
from mailauth.login.judge import Breaks, judge
from mailauth.login.site import look_at
from mailauth.login.way import Layer
from mailauth.login.ways import Choice, not_tried, ways
from tests.login.test_layers import GOOD, HANGS, PASSWORD, PATIENT, found, judged, needs_root


def test_a_mechanism_without_plain(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """The sentence is about what was asked: CRAM-MD5 alone is no password that was taken by another way."""
    only = "auth_mechanisms = cram-md5\n"
    with lab(dovecot_version, "passwd-file", {"alice": "{PLAIN}" + PASSWORD.text.decode()}, only) as one:
        choice = Choice(timeout=PATIENT)
        assert judged(one, choice).faults == ()
        file = one.folder / "users"
        one.set_password("alice", "{PLAIN}another")
        (wrong,) = judged(one, choice).faults
        assert (wrong.breaks, "by the stored string it must" in wrong.says) == (Breaks.HASH, True)
        one.set_password("alice", generate("SHA512-CRYPT", PASSWORD, user="alice"))
        (unfit,) = judged(one, choice).faults
        assert (unfit.breaks, unfit.service) == (Breaks.MECHANISM, "CRAM-MD5")
        assert unfit.says.startswith("the stored string matches, and auth says no by CRAM-MD5")
        if os.geteuid():
            return
        file.chmod(0)
        one.reload()
        (closed,) = judged(one, choice).faults
        assert closed.breaks is Breaks.PASSDB
        assert "auth says no by CRAM-MD5 (temp_fail)" in closed.says


SCRAM = "auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256\n"


@needs_root
def test_a_healthy_system_lets_in_by_all_ways(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Five mechanisms, five protocols, without TLS, with STARTTLS and with TLS."""
    plain = {"alice": "{PLAIN}correct horse"}
    with lab(dovecot_version, "passwd-file", plain, SCRAM, PROTOCOLS, tls=True, postfix=True) as one:
        site = look_at(at_pid(one.master_pid, None), postfix=True)
        every = ways(site, Choice(timeout=PATIENT))  # Postfix's ports were found
        attempts = list(log_in(every, "alice", PASSWORD, site))
        assert [one.way.name for one in attempts if not one.ok] == []
        assert "LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256" in not_tried(every)
        kinds = {(one.way.service, one.way.tls) for one in attempts if one.way.door}
        secured = {(name, tls) for name in (*PROTOCOLS, "smtp") for tls in ("plain", "starttls", "tls")}
        assert kinds == secured - {("sieve", "tls")}
        assert {(one.way.service, one.way.mechanism) for one in attempts if one.way.door} >= {
            (service, mechanism)
            for service in (*PROTOCOLS, "smtp")
            for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
        }


@pytest.mark.parametrize("field", ["NULL", "nologin"])
def test_a_passdb_that_is_for_one_service_only(
    lab: Callable[..., Lab], dovecot_version: str, field: str
) -> None:
    """Where a store says who may use POP3, as many web panels have it."""
    service = "%s" if dovecot_version.startswith("2.3") else "%{protocol}"
    user = "%u" if dovecot_version.startswith("2.3") else "%{user}"
    query = f"SELECT userid AS user, password FROM users WHERE userid = '{user}' AND '{service}' <> 'pop3'"
    if field == "nologin":
        query = (
            f"SELECT userid AS user, password, CASE '{service}' WHEN 'pop3' THEN 'y' END AS nologin"
            f" FROM users WHERE userid = '{user}'"
        )
    with lab(dovecot_version, "sqlite", {"alice": GOOD}, "", ("imap", "pop3"), query=query) as one:
        assert found(judged(one, Choice(mechanisms=("PLAIN",), timeout=PATIENT))) == [
            (Breaks.PASSDB_OF_SERVICE.value, "pop3")
        ]


@needs_root
def test_a_mechanism_that_one_port_only_does_not_offer(lab: Callable[..., Lab]) -> None:
    """It shows without a login, and no other port is blamed."""
    stored = {"alice": "{PLAIN}correct horse"}
    with lab(None, "passwd-file", stored, SCRAM, (), tls=True, postfix=True) as one:
        assert one.postfix
        services = one.postfix.folder / "master.cf"
        lines = services.read_text().splitlines()
        lines[0] += " -o smtpd_sasl_mechanism_filter=!cram-md5,static:rest"
        services.write_text("\n".join(lines) + "\n")
        one.restart_postfix()
        site = look_at(at_pid(one.master_pid, None), postfix=True)
        attempts = list(log_in(ways(site, Choice(timeout=PATIENT)), "alice", PASSWORD, site))
        missing = [each for each in attempts if not each.ok]
        assert [each.way.name for each in missing] == [f"smtp {one.ports['smtp']} STARTTLS CRAM-MD5"]
        assert found(judge(attempts)) == [(Breaks.POSTFIX.value, "smtp")]


def test_an_auth_that_hangs_is_waited_for_once(
    lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "_GREETING_SECONDS", 0.5)
    with lab(None, "passwd-file", {"alice": GOOD}, "", ("imap",)) as one:
        site = look_at(at_pid(one.master_pid, None))
        auth = []
        for each in one.processes():
            with suppress(psutil.NoSuchProcess):
                if each.name() == "auth":
                    auth.append(each)
        for each in auth:
            each.suspend()
        attempts = list(log_in(ways(site, Choice(tls=("plain",), timeout=HANGS)), "alice", PASSWORD, site))
        for each in auth:
            each.resume()
        assert found(judge(attempts)) == [(Breaks.AUTH.value, "")]
        waited = [each.way.layer for each in attempts if each.answer is Answer.UNREACHABLE]
        assert waited == [Layer.TEST]


def test_a_user_who_is_passed_on(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Neither the userdb nor a mail process here is blamed, and nothing where all is well."""
    with (
        lab(dovecot_version, "passwd-file", {"alice": GOOD}, "", ("imap",)) as front,
        lab(dovecot_version, "passwd-file", {"alice": GOOD}, "", ("imap",)) as back,
    ):
        choice = Choice(tls=("plain",), mechanisms=("PLAIN",), timeout=PATIENT)
        front.set_password("alice", f"{GOOD}::::::proxy=y host=127.0.0.1 port={back.ports['imap']}")
        assert found(judged(front, choice)) == []
        back.set_password("alice", generate("SHA512-CRYPT", Password.of("other"), rounds=1000))
        assert found(judged(front, choice)) == [(Breaks.BACKEND.value, "imap")]


def test_doveadm_is_not_blamed_where_auth_does_not_offer_plain(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    stored = {"alice": "{PLAIN}correct horse"}
    with lab(
        dovecot_version, "passwd-file", stored, "auth_mechanisms = login scram-sha-256\n", ("imap",)
    ) as one:
        site = look_at(at_pid(one.master_pid, None))
        attempts = list(log_in(ways(site, Choice(timeout=PATIENT)), "alice", PASSWORD, site))
        assert found(judge(attempts)) == []
        missing = [each.way.layer for each in attempts if each.answer is Answer.NOT_OFFERED]
        assert missing == [Layer.TEST, Layer.LOGIN]
        assert all(each.ok for each in attempts if each.way.layer in (Layer.SOCKET, Layer.DOOR))
