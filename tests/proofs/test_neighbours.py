"""The neighbours of MEM001: what fails alike and is something else."""

from collections.abc import Callable

import pytest

from mailauth.cli.shared.output import exit_status
from mailauth.finding import Certainty
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.proofs.story import SECRET, Fault, MiB, Proof, argon2id

Make = Callable[..., Proof]

GOOD = argon2id(memory=19 * MiB)
MD5_CRYPT = generate("MD5-CRYPT", Password(SECRET))


def restore(lab: Lab) -> None:
    """Set the user's password again: what the remedy says in words."""
    lab.set_password("alice", GOOD)


@pytest.mark.core
def test_hash001(proof: Make, dovecot_version: str) -> None:
    """A damaged hash is a mismatch to Dovecot; mailauth says where it is damaged."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    rubbish = Fault(users={"alice": "{ARGON2ID}" + "x" * 200})
    found = told.story(rubbish, {"HASH001"}, answers=[False])
    assert "$argon2" in found[0].problem.says


def test_hash005_in_every_store(proof: Make, dovecot_version: str, store: str) -> None:
    told = proof(dovecot_version, store, {"alice": GOOD})
    told.story(Fault(users={"alice": GOOD[:64]}), {"HASH005"}, answers=[False])


@pytest.mark.dovecot(">= 2.4")
def test_hash002(proof: Make, dovecot_version: str, store: str) -> None:
    """2.4 refuses MD5-CRYPT until weak schemes are allowed."""
    told = proof(dovecot_version, store, {"alice": GOOD})
    found = told.story(Fault(users={"alice": MD5_CRYPT}), {"HASH002"}, answers=[False])
    assert "MD5-CRYPT" in found[0].problem.says


@pytest.mark.dovecot("< 2.4")
def test_hash002_is_silent_on_2_3(proof: Make, dovecot_version: str) -> None:
    told = proof(dovecot_version, "sqlite", {"alice": MD5_CRYPT})
    assert told.logins() == [True]
    told.finds(set(), password=told.password)


BARE = {
    "BLF-CRYPT": generate("BLF-CRYPT", Password(SECRET), cost=5).removeprefix("{BLF-CRYPT}"),
    "ARGON2ID": GOOD.removeprefix("{ARGON2ID}"),
    "SHA512-CRYPT": generate("SHA512-CRYPT", Password(SECRET), rounds=5000).removeprefix("{SHA512-CRYPT}"),
    "MD5-CRYPT": MD5_CRYPT.removeprefix("{MD5-CRYPT}"),
}


@pytest.mark.parametrize("scheme", BARE)
def test_hash004(proof: Make, dovecot_version: str, store: str, scheme: str) -> None:
    """A hash without a prefix: found where this default scheme takes it for something else, silent elsewhere.

    What happens is Dovecot's to say: a login that works must give nothing.
    """
    told = proof(dovecot_version, store, {"alice": BARE[scheme]})
    if told.logins() == [True]:
        told.finds(set(), password=told.password)
        return
    default = told.default_scheme
    # Under CRYPT, and in any passwd-file, taken for what it is, and refused by 2.4
    weak = scheme == "MD5-CRYPT" and (default == "CRYPT" or store == "passwd-file")
    # Where the default scheme is PLAIN, the hash itself is the password.
    opens = {"HASH024"} if default == "PLAIN" and not weak else set()
    found = told.finds(({"HASH002"} if weak else {"HASH004"}) | opens, password=told.password)
    assert scheme in found[0].problem.says
    if not weak:
        refused = scheme == "MD5-CRYPT" and dovecot_version >= "2.4"
        wanted = "refuses it as weak" if refused else f"Store it as {{{scheme}}} "
        assert wanted in found[0].problem.remedy.summary
        told.lab.set_password("alice", f"{{{scheme}}}{BARE[scheme]}")
        told.lab.restart()
        allowed = told.logins() == [True]
        told.finds(set() if allowed else {"HASH002"}, password=told.password)


@pytest.mark.core
def test_hash003(proof: Make, dovecot_version: str) -> None:
    """A name that no Dovecot has."""
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    fault = Fault(users={"alice": GOOD.replace("{ARGON2ID}", "{FOO}")})
    told.story(fault, {"HASH003"}, answers=[False])


def test_user001(proof: Make, dovecot_version: str, store: str) -> None:
    told = proof(dovecot_version, store, {"alice": GOOD})
    told.user = "nobody"
    assert told.logins() == [False]
    told.finds({"USER001"})
    found = told.finds({"USER001"}, password=told.password)
    assert found[0].problem.certainty is Certainty.PROVEN


def test_user001_sees_the_name_that_is_looked_up(proof: Make, dovecot_version: str) -> None:
    """Dovecot looks up the name in lower case, and that is said."""
    told = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    told.user = "Nobody"
    assert told.logins() == [False]
    found = told.finds({"USER001"}, password=told.password)
    assert "'nobody' (made of 'Nobody'" in found[0].problem.says


@pytest.mark.parametrize("store", ["sqlite", "mysql", "pgsql"])
def test_user002(proof: Make, dovecot_version: str, store: str) -> None:
    """A row whose password is NULL."""
    told = proof(dovecot_version, store, {"alice": GOOD})
    told.story(Fault(users={"alice": None}), {"USER002"}, answers=[False], mend=restore)


@pytest.mark.parametrize("name", ["o'hara", 'x" OR "1"="1', "per%cent", "two\nlines", "sp ace"])
def test_user003(proof: Make, dovecot_version: str, store: str, name: str) -> None:
    """Dovecot's own guard: the characters that auth_username_chars does not list."""
    told = proof(dovecot_version, store, {"alice": GOOD})
    told.user = name
    assert told.logins() == [False]
    told.finds({"USER003"}, password=told.password)


@pytest.mark.parametrize("store", ["sqlite", "mysql", "pgsql"])
@pytest.mark.parametrize(
    "name",
    [
        "o'hara",
        "x' OR '1'='1",
        'a"b',
        "per%cent%u%{user}",
        "back\\slash",
        "a'; DROP TABLE users; --",
        "\\' OR 1=1 -- ",
    ],
)
def test_no_injection(proof: Make, dovecot_version: str, store: str, name: str) -> None:
    """With the guard off, an odd name is looked up as that name: it finds its own row and no other."""
    settings = "auth_username_chars =\nauth_username_format =\n"
    told = proof(dovecot_version, store, {"alice": GOOD, name: GOOD}, settings=settings)
    told.user = name
    assert told.logins() == [True]
    told.finds(set(), password=told.password)
    told.lab.set_users({"alice": GOOD})
    assert told.logins() == [False]
    told.finds({"USER001"}, password=told.password)
    told.user = "alice"
    assert told.logins() == [True]


def test_pass001(proof: Make, dovecot_version: str, store: str) -> None:
    told = proof(dovecot_version, store, {"alice": GOOD})
    told.finds(set(), password=told.password)
    told.password = b"wrong"
    assert told.logins() == [False]
    told.finds(set())
    found = told.finds({"PASS001"}, password=b"wrong")
    assert found[0].problem.certainty is Certainty.PROVEN
    told.password = SECRET
    assert told.logins() == [True]


def test_two_faults_are_both_found(proof: Make, dovecot_version: str) -> None:
    """A wrong password, and no memory for the right one either."""
    told = proof(dovecot_version, "sqlite", {"alice": argon2id(memory=256 * MiB)})
    told.finds({"MEM001", "PASS001"}, password=b"wrong")


def test_a_passdb_behind_is_asked_too(proof: Make, dovecot_version: str) -> None:
    """A password that a passdb before it takes is let in; PAM, which comes next, has no such user."""
    pam = "passdb {\n  driver = pam\n}\n" if dovecot_version < "2.4" else "passdb pam {\n}\n"
    told = proof(dovecot_version, "sqlite", {"alice": GOOD}, settings=pam)
    diagnosis = told.look(password=told.password).diagnosis
    assert not diagnosis.findings
    assert not diagnosis.unasked
    assert exit_status(diagnosis) == 0
    wrong = told.look(password=b"wrong").diagnosis
    assert [one.rule.code for one in wrong.findings] == ["PASS001"]
    assert not wrong.undecided
    assert exit_status(wrong) == 1


@pytest.mark.parametrize("broken", [argon2id(memory=256 * MiB), GOOD[:50]], ids=["too big", "truncated"])
def test_another_passdb_lets_the_user_in(proof: Make, dovecot_version: str, broken: str) -> None:
    """What is wrong in the first passdb blocks nothing when a later one has the user, too.

    It is told that the first one logs a mismatch each time.
    """
    told = proof(dovecot_version, "sqlite", {"alice": GOOD})
    users = told.write("second", f"alice:{GOOD}\n")
    second = (
        f"passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n"
        if dovecot_version < "2.4"
        else f"passdb second {{\n  driver = passwd-file\n  passwd_file_path = {users}\n}}\n"
    )
    told.lab.configure(second)
    told.lab.reload()
    told.lab.set_password("alice", broken)
    assert told.logins(2) == [True, True]
    told.finds({"CONF011"}, password=told.password)
    assert not told.lab.login("alice", b"wrong").ok
    codes = {"PASS001"} | ({"HASH005"} if broken == GOOD[:50] else {"MEM001"})
    told.finds(codes, password=b"wrong")


@pytest.mark.parametrize("kind", ["sqlite", "mysql", "pgsql"])
def test_auth001(proof: Make, dovecot_version: str, kind: str) -> None:
    """A login that fails although the hash matches and fits is never "nothing found".

    A delay of more than five minutes is a failure to Dovecot, and no rule speaks of that.
    """
    user = "%u" if dovecot_version < "2.4" else "%{user}"
    query = f"SELECT userid AS user, password, '9999999999' AS delay_until FROM users WHERE userid = '{user}'"
    told = proof(dovecot_version, kind, {"alice": GOOD}, query=query)
    found = told.finds({"AUTH001"}, password=told.password, login=True)
    assert "delay_until" in found[0].problem.says
    told.finds(set(), password=told.password)
    told.finds({"PASS001"}, password=b"wrong", login=True)
