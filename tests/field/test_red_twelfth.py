"""What a twelfth look found: auth's cache before a bind, waits, no password, what of PAM is the user's."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.nobody import NOBODY
from mailauth.dovecot.site import read_config
from mailauth.finding import Certainty, Finding, Severity
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.lab.stores.system import Accounts
from mailauth.probes.lookup import fill_for, observe_user_name
from mailauth.probes.scene import Scene
from mailauth.probes.system_accounts import ask_about_anybody
from tests.field.test_red_eleventh import edit, ldap
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, Proof, record
from tests.proofs.test_ldap_bind import judged
from tests.proofs.test_lua import script

MakeLab = Callable[..., Lab]
STORED = "{PLAIN}" + SECRET.decode()
_REST = "@include common-auth\n@include common-account\n"


def test_auths_cache_before_a_bind(lab: MakeLab, dovecot_version: str) -> None:
    """What a directory took is kept, and what it did not have, too."""
    with ldap(lab, dovecot_version, "ldap-bind", settings="auth_cache_size = 1M\n") as (one, store):
        assert one.logins()[0]
        store.set_password("alice", "{PLAIN}another")
        (found,) = _with_login(one, "alice", SECRET)
        assert (found.rule.code, found.severity) == ("AUTH005", Severity.RISK)
        assert "The directory refuses the password, and a real login" in found.problem.says
        record(one.lab, "the auth cache lets the password in that the directory took before", ("AUTH005",))
        assert not one.lab.login("alice", b"a slip").ok
        assert not one.lab.login("alice", b"another").ok
        (found,) = _with_login(one, "alice", b"another")
        assert (found.rule.code, found.problem.certainty) == ("AUTH004", Certainty.LIKELY)
        assert found.problem.says.startswith("The directory takes the password, the login was refused")
        record(one.lab, "the auth cache refuses the directory's new password", ("AUTH004",))
        one.paste([found])
        assert one.lab.login("alice", b"another").ok
        assert not one.lab.login("bob", SECRET).ok
        store.set_password("bob", STORED)
        (found,) = _with_login(one, "bob", SECRET)
        assert (found.rule.code, found.problem.certainty) == ("AUTH004", Certainty.PROVEN)
        record(one.lab, "the auth cache has that the directory has no such entry", ("AUTH004",))


def _with_login(one: Proof, user: str, password: bytes) -> tuple[Finding, ...]:
    target = Target(user, at_pid(one.lab.master_pid, None), Password(password), binds=True, login=True)
    return tuple(look(target).diagnosis.findings)


_ASKED_OF_LDAP = {
    "2.3": "userdb {{\n  driver = ldap\n  args = {}\n}}\n",
    "2.4": "userdb ldap {{\n  filter = (uid=%{{user}})\n  fields {{\n    uid = 65534\n    gid = 65534\n"
    "    home = /tmp\n  }}\n}}\n",
}


@pytest.mark.parametrize("userdb", ["static", "ldap"])
def test_no_userdb_is_asked_that_only_waits(lab: MakeLab, dovecot_version: str, userdb: str) -> None:
    """Where TLS with the directory fails, doveadm user waits for 10 s and more."""
    with ldap(lab, dovecot_version, "ldap-starttls", protocols=("imap",)) as (one, _):
        if userdb == "ldap":
            _ask_the_directory(one)
        assert one.logins()[0]
        one.finds(set())
        (one.lab.folder / "ldap-ca.crt").write_text("")
        one.lab.restart()
        began = time.monotonic()
        diagnosis = one.look().diagnosis
        assert time.monotonic() - began < 8
        assert {found.rule.code for found in diagnosis.findings} == {"LDAP001"}
        waits = [each.missing.reason for each in diagnosis.undecided if each.rule.code == "USERDB005"]
        unsure = userdb == "ldap" and one.lab.dialect == "2.4"  # its settings of TLS need not be what counts
        assert bool(waits) == unsure
        assert all("a lookup would only wait for it, and was not made" in why for why in waits)


def test_a_password_that_a_policy_ages(lab: MakeLab, dovecot_version: str) -> None:
    """Without a password: whether it has expired is open, and it is said what shows it."""
    with ldap(lab, dovecot_version, "ldap-bind", settings="") as (one, store):
        server = store.server
        server.stop()
        server.configure("moduleload ppolicy\noverlay ppolicy\nppolicy_default cn=policy,dc=lab\n")
        server.start()
        policy = {"objectClass": ["device", "pwdPolicy"], "cn": ["policy"], "pwdAttribute": ["userPassword"]}
        server.add({"cn=policy,dc=lab": {**policy, "pwdMaxAge": ["1"]}})
        one.lab.restart()
        store.set_password("alice", STORED)
        time.sleep(2.1)
        assert not one.logins()[0]
        told_without = one.look().diagnosis
        assert not told_without.findings
        (open_,) = told_without.undecided
        assert open_.rule.code == "LDAP008"
        assert "a bind shows. mailauth diagnose -p USER makes one" in open_.missing.reason
        assert judged(one.lab, "alice") == {"LDAP007": Certainty.PROVEN}


def test_who_has_no_password_but_no_row(lab: MakeLab, dovecot_version: str) -> None:
    """A script's table, and a passdb static: neither is a row whose password is NULL."""
    with lab(dovecot_version, "lua", {"alice": STORED}) as made:
        one = Proof(made)
        script(
            made, "function auth_passdb_lookup(request)\n  return dovecot.auth.PASSDB_RESULT_OK, {}\nend\n"
        )
        made.restart()
        assert not one.logins()[0]
        given = Target("alice", at_pid(made.master_pid, None), Password(SECRET), asks_lua=True)
        (found,) = look(given).diagnosis.findings
        assert found.rule.code == "USER002"
        assert "returns 'alice', and neither a password nor nopassword" in found.problem.says
        assert "Have the script return the stored string as password" in found.problem.remedy.summary
        record(made, "a script returns no password", ("USER002",))
    with lab(dovecot_version, "passwd-file", {"alice": STORED}) as made:
        one = Proof(made)
        before, _, rest = made.config.read_text().partition("passdb ")
        empty = "{\n  driver = static\n}\n" if made.dialect == "2.3" else "static {\n}\n"
        made.config.write_text(f"{before}passdb {empty}{rest.partition(chr(10) + '}' + chr(10))[2]}")
        made.restart()
        assert not one.logins()[0]
        (found,) = one.finds({"USER002"})
        assert "sets neither a password nor nopassword" in found.problem.says


def test_what_of_pam_depends_on_the_user(lab: MakeLab, dovecot_version: str) -> None:
    """It is followed, once it is known who asks: not said to be unknown."""
    with lab(dovecot_version, "pam", {"alice": hashed(SECRET).removeprefix("{SHA512-CRYPT}")}) as made:
        assert isinstance(made.store, Accounts)
        line = "account required pam_access.so\nauth required pam_listfile.so item=user sense=deny file=/no\n"
        for more, unknown in (("", False), ("auth required pam_exec.so /bin/true\n", True)):
            made.store.set_services({"dovecot": line + more + _REST})
            config = read_config(at_pid(made.master_pid, None))
            scene = Scene(at_pid(made.master_pid, None), config, NOBODY)
            scene = replace(scene, names=observe_user_name(scene))
            (passdb,) = config.passdbs
            asked = ask_about_anybody(scene, passdb, fill_for(scene, passdb))
            words = "pam_access.so, which depends on the user: mailauth diagnose USER decides it"
            assert words in asked.open
            assert ("pam_exec.so, which mailauth does not follow" in asked.open) == unknown


def test_what_a_userdb_asks_of_a_directory(lab: MakeLab, dovecot_version: str) -> None:
    """Its filter finds nobody, though the passdb's does: it is named; and which fields come is said."""
    with ldap(lab, dovecot_version, "ldap", protocols=("imap",)) as (one, _):
        _ask_the_directory(one)
        one.finds(set())
        old, new = ("(uid=%u)\nuser", "(mail=%u)\nuser") if one.lab.dialect == "2.3" else (_UID, _MAIL)
        edit(one.lab, old, new)
        one.lab.restart()
        (found,) = one.finds({"USERDB001"})
        assert "userdb 1 (ldap) asks for (mail=alice) below ou=people,dc=lab: no entry" in found.problem.says
        assert "Correct the userdb's filter or base" in found.problem.remedy.summary
        record(one.lab, "the filter of the userdb's directory finds nobody", ("USERDB001",))


_UID = "userdb ldap {\n  filter = (uid="
_MAIL = "userdb ldap {\n  filter = (mail="


def _ask_the_directory(one: Proof) -> None:
    """For the userdb, too: it was static."""
    file = one.lab.folder / "dovecot-ldap.conf.ext"
    before, _, rest = one.lab.config.read_text().partition("userdb ")
    after = rest.partition("\n}\n")[2]
    one.lab.config.write_text(before + _ASKED_OF_LDAP[one.lab.dialect].format(file) + after)
    if one.lab.dialect == "2.3":
        more = "user_filter = (uid=%u)\nuser_attrs = =uid=65534,=gid=65534,=home=/tmp\n"
        file.write_text(file.read_text() + more)
    one.lab.restart()
