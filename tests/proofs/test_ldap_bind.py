"""What a directory says to the one bind as the user: by a password policy, and in others' words."""

import imaplib
import time
from collections.abc import Callable

import pytest

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.errors import CannotObserve
from mailauth.evidence import PasswordCheck
from mailauth.finding import Certainty, Diagnosis, Severity
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed
from tests.proofs import hostile
from tests.proofs.ldap_words import name_of, serving
from tests.proofs.story import SECRET, Proof, record
from tests.proofs.test_ldap import edited, store

Make = Callable[..., Proof]
_POLICY = "moduleload ppolicy\noverlay ppolicy\n"
_EXPIRY_SECONDS = 60.0
_AD = "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {}, v3839"
# Active Directory's, and of 389 Directory Server.
WORDS: dict[str, tuple[int, str]] = {
    **{f"ad{code}": (49, _AD.format(code)) for code in ("52e", "525", "530", "531", "532", "533")},
    **{f"ad{code}": (49, _AD.format(code)) for code in ("701", "773", "775", "57")},
    "inactive": (53, "Account inactivated. Contact system administrator."),
    "retries": (19, "Exceed password retry limit. Please try later."),
}
TOLD = {
    "ad530": "may not log in at this time",
    "ad532": "the password has expired",
    "ad533": "the account is disabled",
    "ad701": "the account has expired",
    "ad773": "the password must be changed first",
    "ad775": "the account is locked",
    "ad57": "the server refuses the bind (49)",
    "inactive": "the server refuses the bind (53), Account inactivated.",
}


def told(lab: Lab, user: str, password: bytes | None = SECRET, *, binds: bool = True) -> Diagnosis:
    given = Password(password) if password is not None else None
    diagnosis = look(Target(user, at_pid(lab.master_pid, None), given, binds=binds)).diagnosis
    hostile.hold(diagnosis)
    return diagnosis


def codes(diagnosis: Diagnosis) -> dict[str, Certainty]:
    return {one.rule.code: one.problem.certainty for one in diagnosis.findings}


def judged(lab: Lab, user: str, password: bytes = SECRET) -> dict[str, Certainty]:
    """What one bind shows; a login of Dovecot's own ends alike."""
    diagnosis = told(lab, user, password)
    assert not diagnosis.undecided
    blocked = any(one.severity is Severity.BLOCKS_LOGIN for one in diagnosis.findings)
    assert lab.login(user, password).ok != blocked
    return codes(diagnosis)


def person(uid: str, policy: str = "policy", **more: list[str]) -> dict[str, dict[str, list[str]]]:
    entry = {"objectClass": ["inetOrgPerson"], "uid": [uid], "cn": [uid], "sn": [uid]}
    entry |= {"userPassword": [SECRET.decode()], "pwdPolicySubentry": [f"cn={policy},dc=lab"]}
    return {f"uid={uid},{PEOPLE}": entry | more}


def with_policies(lab: Lab, overlay: str) -> None:
    server = store(lab).server
    server.stop()
    server.configure(overlay)
    server.start()
    lab.restart()


def test_what_a_password_policy_says(proof: Make, dovecot_version: str) -> None:
    """slapo-ppolicy: told from a wrong password by one bind, as far as the server tells it."""
    lab = proof(dovecot_version, "ldap-bind", {}).lab
    with_policies(lab, f"{_POLICY}ppolicy_use_lockout\n")
    policy = {
        "objectClass": ["device", "pwdPolicy"],
        "pwdAttribute": ["userPassword"],
        "pwdLockout": ["TRUE"],
    }
    policy |= {"pwdMaxFailure": ["99"], "pwdMustChange": ["TRUE"]}
    server = store(lab).server
    server.add({"cn=policy,dc=lab": {**policy, "cn": ["policy"]}})
    server.add({"cn=short,dc=lab": {**policy, "cn": ["short"], "pwdMaxAge": ["1"]}})
    server.add(person("alice") | person("eve", "short") | person("mia", pwdReset=["TRUE"]))
    server.add(person("lou", pwdAccountLockedTime=["000001010000Z"]))
    until = time.monotonic() + _EXPIRY_SECONDS
    while lab.login("eve", SECRET).ok:
        assert time.monotonic() < until
        time.sleep(0.2)
    proven, likely = Certainty.PROVEN, Certainty.LIKELY
    assert judged(lab, "alice") == {}
    assert judged(lab, "alice", b"wrong") == {"LDAP006": likely}
    assert judged(lab, "eve") == {"LDAP007": proven}
    assert judged(lab, "lou") == judged(lab, "lou", b"wrong") == {"LDAP007": proven}
    assert judged(lab, "mia") == {"LDAP008": proven}
    says = told(lab, "mia").findings[0].problem.says
    assert says == f"passdb 1 (ldap), uid=mia,{PEOPLE}: the server takes the password, and wants it changed."
    record(lab, "the directory locked the account", ("LDAP007",))
    record(lab, "a password that the directory does not take", ("LDAP006",))
    record(lab, "the directory wants the password changed", ("LDAP008",))
    assert codes(told(lab, "nobody")) == {"LDAP005": proven}
    assert codes(told(lab, "alice", b"")) == {"LDAP006": proven}
    with_policies(lab, _POLICY)  # it says of a locked account no more than of a wrong password
    assert judged(lab, "lou") == {"LDAP007": likely}
    assert "pwdAccountLockedTime (000001010000Z)" in told(lab, "lou").findings[0].problem.says


def test_one_bind_and_the_words_of_other_servers(proof: Make, dovecot_version: str) -> None:
    lab = proof(dovecot_version, "ldap-bind", {}).lab
    with serving(WORDS) as words, edited(lab, f":{store(lab).place.port}", f":{words.port}"):
        assert not lab.login("ad775", SECRET).ok  # Dovecot has its connection
        words.binds.clear()
        assert codes(told(lab, "ad52e", None)) == {}
        undecided = {one.rule.code for one in told(lab, "ad52e", binds=False).undecided}
        assert "PASS001" in undecided
        assert name_of("ad52e") not in words.binds
        for user, (code, said) in WORDS.items():
            words.binds.clear()
            diagnosis = told(lab, user)
            assert words.binds.count(name_of(user)) == 1
            wrong = user == "ad52e"
            assert codes(diagnosis) == {"LDAP006" if wrong else "LDAP007": Certainty.PROVEN}, user
            [problem] = [one.problem for one in diagnosis.findings]
            assert TOLD.get(user, said) in problem.says
            [seen] = [one.seen for one in problem.because]  # the server's own answer, with its code and words
            assert f"({code}), {said[:60]}" in seen
            checked = next(one for one in diagnosis.evidence if isinstance(one, PasswordCheck))
            assert f"({code}), {said[:60]}" in checked.seen
            assert not diagnosis.undecided
        words.binds.clear()
        which = ("diagnose", "--pid", str(lab.master_pid), "--password-stdin", "ad773")
        done = mailauth(*which, feed=f"{SECRET.decode()}\n")
        assert words.binds.count(name_of("ad773")) == 1
        assert "BLOCKS LOGIN  LDAP007" in done.stdout
        assert SECRET.decode() not in done.stdout
    record(lab, "Active Directory wants the password changed", ("LDAP007",))


def test_the_name_of_a_template(proof: Make, dovecot_version: str) -> None:
    """Nothing is searched: without the password it is open whether the entry is there."""
    lab = proof(dovecot_version, "ldap-template", {"alice": hashed(SECRET)}).lab
    assert judged(lab, "alice") == {}
    assert judged(lab, "alice", b"wrong") == {"LDAP006": Certainty.LIKELY}
    nobody = told(lab, "nobody").findings[0].problem
    assert judged(lab, "nobody") == {"LDAP006": Certainty.LIKELY}
    assert "No entry has that name, or it is hidden" in nobody.says
    assert "auth_bind_userdn" in nobody.remedy.summary
    assert "an entry without a password" in told(lab, "alice", b"wrong").findings[0].problem.says
    record(lab, "the template makes a name that no entry has", ("LDAP006",))
    with edited(lab, "bind_userdn = uid=", "bind_userdn = uid"):
        assert judged(lab, "alice") == {"LDAP010": Certainty.PROVEN}
        assert "that is no distinguished name (34)" in told(lab, "alice").findings[0].problem.says
    record(lab, "the template makes a name that is none", ("LDAP010",))
    assert lab.login("alice", SECRET).ok
    without = told(lab, "alice", None)
    assert {one.rule.code for one in without.undecided} == {"USER001"}


def test_an_attribute_that_comes_twice(proof: Make, dovecot_version: str) -> None:
    """Dovecot's auth dies of it at each login."""
    lab = proof(dovecot_version, "ldap-bind", {}).lab
    with serving({"alice": (0, "")}) as words, edited(lab, f":{store(lab).place.port}", f":{words.port}"):
        assert judged(lab, "alice") == {}
        words.times = 2
        with pytest.raises(CannotObserve, match="the auth process closed the connection"):
            lab.login("alice", SECRET)
        assert lab.logs("hash_table_insert_node")
        diagnosis = told(lab, "alice")
        assert "LDAP009" in codes(diagnosis)
        assert "LDAP006" not in codes(diagnosis)
        assert "which has uid twice" in next(
            one.problem.says for one in diagnosis.findings if one.rule.code == "LDAP009"
        )
        record(lab, "the directory sends an attribute twice", ("LDAP009",))


def by_imap(lab: Lab, password: bytes) -> bool:
    """A mail client's login: Dovecot logs it with a session."""
    client = imaplib.IMAP4("127.0.0.1", lab.ports["imap"], timeout=60)
    try:
        client.login("alice", password.decode())
    except imaplib.IMAP4.error:
        return False
    else:
        return True
    finally:
        client.shutdown()


def test_a_refusal_in_the_log_is_said_without_the_password(proof: Make, dovecot_version: str) -> None:
    """What the entry holds was not looked at: it may have no password, or be locked."""
    lab = proof(dovecot_version, "ldap-bind", {"alice": None}, protocols=("imap",)).lab
    assert codes(told(lab, "alice", None)) == {}
    assert not by_imap(lab, SECRET)
    assert lab.logs("Password mismatch (for LDAP bind)")
    [found] = told(lab, "alice", None).findings
    assert (found.rule.code, found.severity) == ("AUTH020", Severity.NOTE)
    assert "the directory refuses this name and password, or the account" in found.problem.says
    assert "whether its server takes the password was not asked" in found.problem.says
    assert judged(lab, "alice") == {"LDAP006": Certainty.LIKELY}
    record(lab, "an entry of the directory has no password", ("LDAP006",))
    lab.set_password("alice", hashed(SECRET))
    assert by_imap(lab, SECRET)
    assert lab.logs("imap(alice)")
    assert codes(told(lab, "alice", None)) == {}
