"""The stored string of a directory's entry, where Dovecot verifies: judged as any other, on a real slapd."""

import base64
from collections.abc import Callable

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Certainty, Finding
from mailauth.lab.slapd import PEOPLE
from tests.cli.running import mailauth
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record
from tests.proofs.test_ldap import edited, store

Make = Callable[..., Proof]
USERS: dict[str, tuple[str | None, set[str]]] = {
    "alice": (hashed(SECRET), set()),
    "bob": (hashed(b"another"), {"PASS001"}),
    "carol": (argon2id(memory=512 * MiB), {"MEM001"}),
    "dave": (hashed(SECRET)[:-5], {"HASH005"}),
    "erin": (SECRET.decode(), {"HASH028"}),
    "frank": (None, {"LDAP004"}),
    "grace": (base64.b64encode(hashed(SECRET).encode()).decode(), {"HASH032"}),
    "heidi": ("{SSHA}" + base64.b64encode(hashed(SECRET).encode()).decode().rstrip("="), {"HASH032"}),
}


def told(one: Proof, user: str, password: bytes | None = SECRET) -> list[Finding]:
    one.user = user
    diagnosis = one.look(password=password).diagnosis
    assert not diagnosis.undecided, [item.missing.reason for item in diagnosis.undecided]
    assert store(one.lab).place.password not in repr(diagnosis)
    return list(diagnosis.findings)


def codes(one: Proof, user: str, password: bytes | None = SECRET) -> set[str]:
    """What is found; a login of Dovecot's own ends alike."""
    found = {finding.rule.code for finding in told(one, user, password)}
    assert password is None or one.lab.login(user, password).ok == (not found)
    return found


def test_the_stored_string_is_judged(proof: Make, dovecot_version: str) -> None:
    """With the password and without it; a remedy that changes an entry says by what."""
    one = proof(dovecot_version, "ldap", {user: stored for user, (stored, _) in USERS.items()})
    for user, (_, expected) in USERS.items():
        assert codes(one, user) == expected
        assert codes(one, user, None) == expected - {"PASS001"}
        if expected:
            record(one.lab, f"a directory's stored string: {user}", tuple(expected))
    found = look_at_all(Checkup(at_pid(one.lab.master_pid, None))).diagnosis.findings
    [weak] = [each.problem for each in found if each.rule.code == "STORE006"]
    assert weak.remedy.commands == (), "a directory needs a name that may write"
    assert "Let the directory hash new passwords" in weak.remedy.summary
    record(one.lab, "a directory's strings are weak", (each.rule.code for each in found))
    cut = told(one, "dave", None)[0].problem
    assert cut.remedy.store is None
    assert "ldapmodify" in cut.remedy.careful
    assert told(one, "bob")[0].problem.certainty is Certainty.PROVEN
    assert "the auth process that verifies it" in told(one, "carol")[0].problem.says


def test_several_passwords_of_an_entry(proof: Make, dovecot_version: str) -> None:
    """The first counts, whichever slapd names first."""
    one = proof(dovecot_version, "ldap", {})
    values = [hashed(b"the old one"), hashed(SECRET)]
    entry = {"objectClass": ["inetOrgPerson"], "uid": ["alice"], "cn": ["alice"], "sn": ["alice"]}
    store(one.lab).server.add({f"uid=alice,{PEOPLE}": {**entry, "userPassword": values}})
    found = [codes(one, "alice", password) for password in (SECRET, b"the old one")]
    assert sorted(map(sorted, found)) == [[], ["PASS001"]]
    wrong = SECRET if found[0] else b"the old one"
    assert "userPassword has 2 values, of which the first counts" in told(one, "alice", wrong)[0].problem.says


def test_the_settings_of_the_stored_string(proof: Make, dovecot_version: str) -> None:
    """A default scheme, a template around the value, who verifies, and a list without a password."""
    stored = {"erin": SECRET.decode(), "carol": argon2id(memory=512 * MiB)}
    one = proof(dovecot_version, "ldap", stored)
    of_23 = one.lab.dialect == "2.3"
    attribute = "userPassword=password" if of_23 else "password = %{ldap:userPassword}"
    head = "pass_filter = " if of_23 else "  filter = "
    scheme = "default_pass_scheme = PLAIN\n" if of_23 else "  default_password_scheme = PLAIN\n"
    worker = "blocking = yes\n" if of_23 else "  use_worker = yes\n"
    template = "=password={PLAIN}%{ldap:userpassword}" if of_23 else "password = {PLAIN}%{ldap:userpassword}"
    for old, new in ((head, scheme + worker + head), (attribute, template)):
        with edited(one.lab, old, new):
            assert codes(one, "erin") == set()
            assert codes(one, "erin", b"wrong") == {"PASS001"}
            if worker in new:
                assert codes(one, "carol") == {"MEM001"}
                assert "the auth-worker process that verifies it" in told(one, "carol")[0].problem.says
    with edited(one.lab, attribute, "cn=mail" if of_23 else "pass_attrs = userPassword=password"):
        assert codes(one, "erin") == {"USER002"}
        says = told(one, "erin")[0].problem.says
        assert "none of its fields is named password" in says
        assert ("pass_attrs: settings of 2.3" in says) == (not of_23)


@pytest.mark.parametrize("attributes", ["@a=b,userPassword=password", "=password=%{ldap_ptr:a}"])
@pytest.mark.dovecot("< 2.4")
def test_what_is_not_followed_stays_open(proof: Make, dovecot_version: str, attributes: str) -> None:
    """An entry that leads to another one."""
    one = proof(dovecot_version, "ldap", {"alice": hashed(SECRET)})
    with edited(one.lab, "uid=user,userPassword=password", attributes):
        diagnosis = one.look(password=SECRET).diagnosis
        reasons = {item.missing.reason for item in diagnosis.undecided}
        assert any("mailauth does not follow its template yet" in reason for reason in reasons)


def test_all_entries_are_counted_in_pages(proof: Make, dovecot_version: str) -> None:
    """By audit, memory fit, check and checkup; a server's limit is named, and nothing is counted past it."""
    users: dict[str, str | None] = {f"user{number}": hashed(SECRET) for number in range(1100)}
    users |= {"carol": USERS["carol"][0], "dave": USERS["dave"][0], "frank": None}
    lab = proof(dovecot_version, "ldap", users).lab
    which = ("--pid", str(lab.master_pid))
    refused = mailauth("audit", *which)
    assert "not all entries were read: Size limit exceeded (4)" in refused.stderr
    server = store(lab).server
    server.stop()
    server.configure("sizelimit unlimited\n")
    server.start()
    lab.restart()
    which = ("--pid", str(lab.master_pid))
    counted = mailauth("audit", *which).stdout
    for words in ("1,103 rows", "sound: 1,101", "never matches: 1", "without a password (NULL): 1"):
        assert words in counted
    assert "1 row cannot log in, with the right password" in mailauth("memory", "fit", *which).stdout
    state = ("--state", str(lab.folder / "counts"), "--timeout", "60s")
    assert "STORE001" in mailauth("check", *which, *state, "rows").stdout
    found = mailauth("checkup", *which).stdout
    assert "passdb 1 (ldap): 1 of 1103 rows" in found.replace(",", "")
    assert "mailauth migrate ldif" in found
    assert "migrate plan" not in found
    assert store(lab).place.password not in counted + found
