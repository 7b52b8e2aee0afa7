"""Several credentials for one user, and what the passdbs' rules make of each: app passwords, master users."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mailauth.evidence import PasswordCheck
from mailauth.finding import Certainty, Diagnosis, Severity
from tests.cli.running import mailauth
from tests.field.chains import Part, ldap, passwd_file, server, sqlite
from tests.field.directory import Directory
from tests.field.rig import Rig
from tests.field.test_chains import CUT, GOOD, OTHER, SSHA, codes, undecided
from tests.proofs.story import SECRET, Proof

MakeRig = Callable[..., Rig]
MAIN, APP = b"another", SECRET
BLOCKS, RISK = Severity.BLOCKS_LOGIN, Severity.RISK
PROVEN = Certainty.PROVEN


def with_rules(part: Part, *settings: str) -> Part:
    """The same passdb with more settings, which both dialects have."""
    old = part.old + "".join(f"\n  {one}" for one in settings)
    head, _, tail = part.new.rpartition("}")
    new = head + "".join(f"  {one}\n" for one in settings) + "}" + tail
    return replace(part, old=old, new=new)


def way(diagnosis: Diagnosis) -> str:
    """What was seen of the password, passdb by passdb."""
    return next(fact.seen for fact in diagnosis.evidence if isinstance(fact, PasswordCheck))


Findings = dict[str, tuple[Severity, Certainty]]
MISMATCH: Findings = {"CONF011": (RISK, PROVEN)}
WRONG: Findings = {"PASS001": (BLOCKS, PROVEN)}
RULES: Findings = {"USER012": (BLOCKS, PROVEN)}
# What the first passdb has beside its file, and the second; then each password: whether it gets in, the
# findings, and words of what was seen.
CHAINS: dict[str, tuple[tuple[str, ...], tuple[str, ...], dict[bytes, tuple[bool, Findings, str]]]] = {
    "app passwords": (
        (),
        (),
        {
            MAIN: (True, {}, "passdb 1 (passwd-file) lets the user in"),
            APP: (True, MISMATCH, "password mismatch; passdb 2 (passwd-file) lets the user in"),
            b"wrong": (False, WRONG, "passdb 2 (passwd-file) password mismatch"),
        },
    ),
    "the first is not final": (
        ("result_success = continue",),
        ("skip = authenticated",),
        {
            MAIN: (False, RULES, "passdb 1 (passwd-file) takes the password"),
            APP: (True, MISMATCH, "passdb 2 (passwd-file) lets the user in"),
            b"wrong": (False, WRONG, "passdb 2 (passwd-file) password mismatch"),
        },
    ),
    "both must take it": (
        ("result_success = continue-fail",),
        (),
        {
            MAIN: (False, RULES, "takes the password; passdb 2 (passwd-file) password mismatch"),
            APP: (True, MISMATCH, "passdb 2 (passwd-file) lets the user in"),
        },
    ),
    "the first is enough, the second is asked": (
        ("result_success = continue-ok",),
        (),
        {MAIN: (True, {}, "passdb 1 (passwd-file) lets the user in; "), APP: (True, MISMATCH, "passdb 2")},
    ),
    "the first ends it": (
        ("result_failure = return-fail",),
        (),
        {MAIN: (True, {}, "match"), APP: (False, WRONG, "mismatch")},
    ),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_each_password_is_followed(rig: MakeRig, dovecot_version: str, chain: str) -> None:
    """Exact with a login and without one, and who lets the user in is what Dovecot does."""
    first, second, passwords = CHAINS[chain]
    one = server(
        rig,
        dovecot_version,
        with_rules(passwd_file({"alice": OTHER}, "main"), *first),
        with_rules(passwd_file({"alice": GOOD}, "apps"), *second),
    )
    for password, (works, found, words) in passwords.items():
        told = Proof(one, password=password)
        assert told.logins() == [works], (chain, password)
        for login in (False, True):
            diagnosis = told.look(password=password, login=login).diagnosis
            assert (codes(diagnosis), undecided(diagnosis)) == (found, set()), (chain, password)
            assert words in way(diagnosis)
        pid = ("--way", "imap", "--pid", str(one.master_pid))
        done = mailauth("login", "alice", "--password-stdin", *pid, feed=password.decode())
        assert done.returncode == (0 if works else 1), done.stdout
        assert "FIRST TO DISAGREE" not in done.stdout or not works, done.stdout
    without = codes(Proof(one).look().diagnosis)
    assert BLOCKS not in {severity for severity, _ in without.values()}, "some password gets in"


@pytest.mark.parametrize("unseen", [False, True], ids=["file", "ldap"])
def test_a_master_user_whose_passdb_goes_on(
    rig: MakeRig, dovecot_version: str, unseen: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The master's password is verified, and then the user is looked up without one."""
    with Directory(tmp_path_factory.mktemp("ldap") / "slapd", {"root": SSHA}) as directory:
        part = ldap(directory, bind=True) if unseen else passwd_file({"root": GOOD}, "masters")
        rules = ("master = yes", "pass = yes" if dovecot_version < "2.4" else "result_success = continue")
        one = server(
            rig,
            dovecot_version,
            with_rules(part, *rules),
            sqlite(),
            rows={"alice": OTHER, "bob": CUT},
            more="auth_master_user_separator = *\n",
        )
        for name, password, works, code in (
            ("alice*root", SECRET, True, ""),
            ("alice*root", b"wrong", False, "AUTH016" if unseen else "PASS001"),
            ("bob*root", SECRET, True, ""),
            ("carol*root", SECRET, False, "USER010"),
            ("alice*nobody", SECRET, False, "USER010"),
        ):
            told = Proof(one, name, password)
            assert told.logins() == [works]
            for login in (True,) if unseen else (False, True):
                found = codes(told.look(password=password, login=login).diagnosis)
                assert set(found) == ({code} if code else set()), (name, password)
