"""A directory that gives Dovecot no answer, several entries, none, or no password: on a real slapd."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.ldap_settings import escape
from mailauth.finding import Certainty, Finding, Severity
from mailauth.lab import Lab
from mailauth.lab.slapd import PEOPLE, READER
from mailauth.lab.stores.ldap import LdapStore
from mailauth.render.text import summary
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, Proof, record

Make = Callable[..., Proof]
CODES = {f"LDAP{number:03}" for number in range(1, 6)}


def store(lab: Lab) -> LdapStore:
    assert isinstance(lab.store, LdapStore)
    return lab.store


@contextmanager
def edited(lab: Lab, old: str, new: str) -> Iterator[None]:
    """The LDAP settings with something else in them."""
    path = lab.config if lab.dialect == "2.4" else lab.folder / "dovecot-ldap.conf.ext"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    lab.reload()
    yield
    path.write_text(text)
    lab.reload()


@contextmanager
def namesake(lab: Lab) -> Iterator[None]:
    name = f"cn=other,{PEOPLE}"
    entry = {"objectClass": ["inetOrgPerson"], "uid": ["alice"], "cn": ["other"], "sn": ["other"]}
    store(lab).server.add({name: entry})
    yield
    store(lab).server.remove([name])


@contextmanager
def served(lab: Lab, more: str = "", rules: str = "") -> Iterator[None]:
    """A slapd with other rules; Dovecot connects anew."""
    server = store(lab).server
    for text in ((more, rules), ("", "")):
        server.stop()
        server.configure(*text)
        server.start()
        lab.restart()
        if text == (more, rules):
            yield


@contextmanager
def stopped(lab: Lab) -> Iterator[None]:
    store(lab).server.stop()
    yield
    store(lab).server.start()
    lab.restart()


def faults(lab: Lab) -> Iterator[tuple[str, str, str]]:
    """What is broken, while it is, and the code and words that say so."""
    hidden = "access to attrs=userPassword by anonymous auth by * none\n"
    with edited(lab, store(lab).place.password, "not-the-password"):
        yield (
            "the bind name's password is wrong",
            "LDAP001",
            "own bind, Invalid credentials",
        )
    with edited(lab, "(objectClass=inetOrgPerson)(", "(objectClass=inetOrgPerson)"):
        yield "the filter lacks a parenthesis", "LDAP001", "it is not a filter, Bad search filter (-7)"
    with served(lab, more="security simple_bind=128\n"):
        yield "the directory wants TLS", "LDAP001", "the server wants TLS, Confidentiality required"
    with stopped(lab):
        yield "the directory is down", "LDAP001", "the server cannot be reached"
    with namesake(lab):
        yield "two entries have the user's name", "LDAP002", "several entries"
    with edited(lab, PEOPLE, f"ou=staff,{PEOPLE}"):
        yield "the base is misspelled", "LDAP003", "the base is not there, or hidden, No such object"
    with served(lab, rules=hidden):
        yield "the directory hides the password", "LDAP004", "without userPassword"
    with edited(lab, "inetOrgPerson", "posixAccount"):
        words = (
            "(uid=alice)) below ou=people,dc=lab: no entry; without (objectClass=posixAccount) there is one"
        )
        yield "the filter asks for another class", "LDAP005", words
    with edited(lab, PEOPLE, "ou=people,dc="):
        words = "ou=people,dc=: that is no distinguished name, Invalid DN syntax"
        yield "a variable in the base comes to nothing", "LDAP001", words
    base = "ldap_base = " if lab.dialect == "2.4" else "base = "
    with edited(lab, base, f"{base.replace('base', 'scope')}base\n{base}"):
        words = "below ou=people,dc=lab (scope base): no entry; with the scope subtree there is one"
        yield "the entry is deeper than the scope reaches", "LDAP005", words


def told(one: Proof, *, login: bool) -> list[Finding]:
    return list(one.look(password=SECRET if login else None, login=login).diagnosis.findings)


def test_what_the_directory_answers(proof: Make, dovecot_version: str) -> None:
    """Each fault is found alone, with a login and without one; before, between and after, nothing is."""
    one = proof(dovecot_version, "ldap", {"alice": hashed(SECRET)})
    assert not told(one, login=False)
    assert not told(one, login=True)
    for name, code, words in faults(one.lab):
        for login in (False, True):
            found = told(one, login=login)
            assert [code] == [finding.rule.code for finding in found], name
            assert words in found[0].problem.says
            assert found[0].severity is Severity.BLOCKS_LOGIN
            open_connection = "connection from before" in found[0].problem.says
            assert (found[0].problem.certainty is Certainty.LIKELY) == open_connection
            assert not (login and open_connection), "a login shows it"
            assert store(one.lab).place.password not in repr(found)
        record(one.lab, name, (code,))
    assert one.lab.login("alice", SECRET).ok
    assert not told(one, login=True)


def test_the_directory_is_asked_without_a_user(proof: Make, dovecot_version: str) -> None:
    """By checkup and by check; that nobody has no entry is well, and rows that cannot be read are named."""
    lab = proof(dovecot_version, "ldap", {"alice": hashed(SECRET)}).lab
    rest = "could not be decided, among them the stores' rows."

    def codes() -> tuple[dict[str, Severity], str]:
        found = look_at_all(Checkup(at_pid(lab.master_pid, None))).diagnosis
        assert not [one for one in found.undecided if one.rule.code in CODES]
        return {one.rule.code: one.severity for one in found.findings}, summary(found)

    def checked() -> tuple[int, str]:
        patient = ("--timeout", "60s", "--greeting", "60s", "60s")
        which = ("--pid", str(lab.master_pid), "--state", str(lab.folder / "counts"))
        done = mailauth("check", *which, *patient, "server")
        return done.returncode, done.stdout

    def is_well() -> None:
        found, last = codes()
        assert not CODES & set(found)
        assert found or (last.startswith("Nothing found by ") and rest in last), last
        assert checked()[0] == 0, checked()

    is_well()
    for fault, code in (
        (edited(lab, store(lab).place.password, "not-the-password"), "LDAP001"),
        (stopped(lab), "LDAP001"),
        (edited(lab, PEOPLE, f"ou=staff,{PEOPLE}"), "LDAP003"),
    ):
        with fault:
            assert codes()[0].get(code) is Severity.BLOCKS_LOGIN
            status, words = checked()
            assert (status, code in words) == (2, True), words
    is_well()


@pytest.mark.parametrize("kind", ["ldap-bind", "ldap-template", "ldap-starttls", "ldaps"])
def test_other_ways_to_ask_are_healthy_or_down(proof: Make, dovecot_version: str, kind: str) -> None:
    one = proof(dovecot_version, kind, {"alice": hashed(SECRET)})
    assert not told(one, login=False)
    assert not told(one, login=True)
    with stopped(one.lab):
        assert [finding.rule.code for finding in told(one, login=True)] == ["LDAP001"]
    if ca := store(one.lab).ca:
        text = ca.read_text()
        with lab_of(kind) as other:
            ca.write_text(other.read_text())
        one.lab.restart()
        found = told(one, login=True)
        assert [finding.rule.code for finding in found] == ["LDAP001"]
        assert "TLS with the server fails" in found[0].problem.says
        if one.lab.dialect == "2.4":  # doveconf prints it in a block of its own
            one.lab.configure("ssl_client_require_valid_cert = no\n")
            one.lab.restart()
            assert not told(one, login=True)
            one.lab.configure("")
        ca.write_text(text)


@contextmanager
def lab_of(kind: str) -> Iterator[Path]:
    """The certificate of another lab's authority."""
    with Lab(None, kind) as other:
        ca = store(other).ca
        assert ca
        yield ca


def test_a_reference_to_another_server_that_is_down(proof: Make, dovecot_version: str) -> None:
    """As Active Directory has them at its root: Dovecot logs the user in all the same."""
    one = proof(dovecot_version, "ldap", {"alice": hashed(SECRET)})
    elsewhere = f"ldap://127.0.0.1:{one.lab.free_port()}/ou=far,dc=lab"
    entry = {"objectClass": ["referral", "extensibleObject"], "ou": ["far"], "ref": [elsewhere]}
    store(one.lab).server.add({f"ou=far,{PEOPLE}": entry})
    assert not told(one, login=False)
    assert not told(one, login=True)
    one.user = "nobody"
    assert [finding.rule.code for finding in told(one, login=False)] == ["LDAP005"]


def test_a_base_that_is_elsewhere(proof: Make, dovecot_version: str) -> None:
    """A referral alone: Dovecot follows none."""
    one = proof(dovecot_version, "ldap", {"alice": hashed(SECRET)})
    entry = {"objectClass": ["referral", "extensibleObject"], "ou": ["far"], "ref": ["ldap://127.0.0.1:1/"]}
    store(one.lab).server.add({f"ou=far,{PEOPLE}": entry})
    with edited(one.lab, PEOPLE, f"ou=far,{PEOPLE}"):
        assert not one.lab.login("alice", SECRET).ok
        (found,) = told(one, login=False)
        assert found.rule.code == "LDAP001"
        assert f"ou=far,{PEOPLE}: the base is on another server, Referral (10)" in found.problem.says
    record(one.lab, "the base is on another server", ("LDAP001",))


def test_an_attribute_that_is_hidden(proof: Make, dovecot_version: str) -> None:
    """It is no password: 2.3 goes on without it, 2.4 refuses the entry, and takes a default for it."""
    one = proof(dovecot_version, "ldap", {"alice": hashed(SECRET)})
    with served(one.lab, rules=f'access to attrs=uid by dn.exact="{READER}" search by * none\n'):
        works = one.lab.dialect == "2.3"
        assert one.lab.login("alice", SECRET).ok is works
        for login in (False, True):
            found = told(one, login=login)
            assert [each.rule.code for each in found] == ([] if works else ["LDAP004"])
            assert works or "one entry without uid" in found[0].problem.says
        if not works:
            record(one.lab, "an attribute of a field is hidden", ("LDAP004",))
            with edited(one.lab, "%{ldap:uid}", "%{ldap:uid | default('alice')}"):
                assert one.lab.login("alice", SECRET).ok
                assert not told(one, login=True)


def test_an_old_version_of_the_protocol(proof: Make, dovecot_version: str) -> None:
    """It is not asked by: what the server says of it is open, and the setting is named."""
    one = proof(dovecot_version, "ldap", {"alice": hashed(SECRET)})
    base = "ldap_base = " if one.lab.dialect == "2.4" else "base = "
    with edited(one.lab, base, f"ldap_version = 2\n{base}"):
        assert not one.lab.login("alice", SECRET).ok
        made = one.look(password=SECRET).diagnosis
        assert "LDAP001" not in {each.rule.code for each in made.findings}
        missing = {each.rule.code: each.missing.reason for each in made.undecided}
        assert "ldap_version is 2, which many servers refuse" in missing["LDAP001"]


def test_a_second_passdb_may_have_the_user(proof: Make, dovecot_version: str) -> None:
    """Then no entry is no finding, and a directory that is down is a risk."""
    one = proof(dovecot_version, "ldap", {"alice": hashed(SECRET)})
    more = {
        "2.3": "passdb {\n  driver = static\n  args = password=elsewhere\n}\n",
        "2.4": "passdb static {\n  password = elsewhere\n}\n",
    }
    one.lab.configure(more[one.lab.dialect])
    one.lab.set_users({"bob": hashed(SECRET)})
    one.lab.reload()
    assert not CODES & {finding.rule.code for finding in told(one, login=False)}
    with stopped(one.lab):
        found = [finding for finding in told(one, login=False) if finding.rule.code in CODES]
        assert [finding.severity for finding in found] == [Severity.RISK]


def test_a_name_is_escaped_as_dovecot_does() -> None:
    """2.3.19.1 and 2.4.1 src/auth/db-ldap.c, ldap_escape(): in hexadecimal, in capitals."""
    assert escape("a.b@c-d_e") == "a.b@c-d_e"
    assert escape('*(a)\\ ="+<>,;#') == "\\2A\\28a\\29\\5C\\20\\3D\\22\\2B\\3C\\3E\\2C\\3B\\23"
    assert escape("ä") == "\\C3\\A4"
