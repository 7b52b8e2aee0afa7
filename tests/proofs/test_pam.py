"""Accounts of the system that PAM refuses, or lets in with any password: on real accounts."""

import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Certainty, Severity
from mailauth.hashes import libcrypt
from mailauth.lab import Lab
from mailauth.lab.stores.system import Accounts
from mailauth.probes import pam_log
from tests.conftest import PROVEN
from tests.lab.test_stores import hashed
from tests.proofs.story import SECRET, Proof, record

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")
Make = Callable[..., Proof]
HASH = hashed(SECRET).removeprefix("{SHA512-CRYPT}")
UNIX = "auth [success=1 default=ignore] pam_unix.so nullok nodelay\n"
END = "auth requisite pam_deny.so\nauth required pam_permit.so\n"
ACCOUNT = (
    "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\naccount requisite pam_deny.so\n"
)


def yescrypt(cost: str) -> str:
    library = libcrypt.load()
    assert library
    made = libcrypt.crypt(library, SECRET, f"$y$j{cost}T$ofthelab".encode())
    assert made
    return made.decode()


@dataclass(frozen=True)
class Broken:
    """What is changed: alice's stored string, her days, PAM's files (None: taken away), settings."""

    name: str
    code: str
    words: str
    stored: str | None = HASH
    aging: str = "19000:0:99999:7::"
    files: Mapping[str, str | None] = field(default_factory=dict)
    settings: str = ""
    lets_in: bool = False


def account_of(lines: str) -> dict[str, str | None]:
    return {"common-account": f"{lines}{ACCOUNT}account required pam_permit.so\n"}


FAULTS = (
    Broken("the account is locked", "ACCT001", 'there is a "!" before its hash', stored=f"!{HASH}"),
    Broken("a scheme stands before the hash", "ACCT001", "has {SHA1} before", stored="{CRYPT}{SHA1}" + HASH),
    Broken("the account has no password", "ACCT001", "'*' stands where the hash would be", stored=None),
    Broken("the account has expired", "ACCT002", "expired on 1970-01-02", aging="19000:0:99999:7::1"),
    Broken("root wants another password", "ACCT002", "chage -d 0", aging="0:0:99999:7::"),
    Broken("the password is too old", "ACCT002", "may be 90 days old", aging="15000:0:90:7::"),
    Broken(
        "a module is not installed",
        "PAM001",
        "pam_of_nobody.so (/etc/pam.d/common-auth:1) is not installed",
        files={"common-auth": f"auth required pam_of_nobody.so\n{UNIX}{END}"},
    ),
    Broken(
        "a file that is included is not there",
        "PAM001",
        "/etc/pam.d/dovecot:1 includes a file that is not there",
        files={"dovecot": "@include common-of-nobody\n@include common-account\n"},
    ),
    Broken(
        "the service has no file, nor other",
        "PAM001",
        'none for "other"',
        files={"dovecot": None, "other": None},
    ),
    Broken(
        "a jump past the end of the stack",
        "PAM001",
        "pam_unix.so (/etc/pam.d/common-auth:1) jumps over 3 lines when it says yes, and so many do not",
        files={"common-auth": UNIX.replace("success=1", "success=3") + END},
    ),
    Broken(
        "nobody asks for the password",
        "PAM001",
        "has use_first_pass, and no module before it asks",
        files={"common-auth": "auth required pam_env.so\nauth required pam_unix.so use_first_pass nodelay\n"},
    ),
    Broken(
        "the account's stack lets nobody past pam_deny",
        "PAM001",
        "pam_deny.so (/etc/pam.d/common-account:2) denies everybody.",
        files={"common-account": "account [default=ignore] pam_unix.so\naccount requisite pam_deny.so\n"},
    ),
    Broken(
        "logins are turned off",
        "PAM002",
        "lets in root alone",
        files=account_of("account required pam_nologin.so file=/etc/passwd\n"),
    ),
    Broken(
        "a group is required",
        "PAM002",
        'the requirement "user ingroup mailusers" is not met by alice',
        files=account_of("account required pam_succeed_if.so quiet user ingroup mailusers\n"),
    ),
    Broken(
        "auth-worker is not root",
        "ACCT003",
        "may not read /etc/shadow",
        settings="service auth-worker {\n  user = dovecot\n}\n",
    ),
    Broken("any password logs in", "PAM003", "has nullok", stored="", lets_in=True),
)


def store(lab: Lab) -> Accounts:
    assert isinstance(lab.store, Accounts)
    return lab.store


@contextmanager
def broken(lab: Lab, fault: Broken) -> Iterator[None]:
    """In place: Dovecot's processes see these very files."""
    ours, folder = store(lab), store(lab).services
    before = {name: (folder / name).read_text() for name in fault.files if (folder / name).exists()}
    for name, text in fault.files.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
    ours.set_password("alice", fault.stored)
    ours.set_aging("alice", fault.aging)
    if fault.settings:
        lab.configure(fault.settings)
        lab.reload()
    yield
    for name, text in before.items():
        (folder / name).write_text(text)
    ours.set_password("alice", HASH)
    ours.set_aging("alice", "19000:0:99999:7::")
    if fault.settings:
        lab.configure("")
        lab.reload()


def test_what_pam_refuses(proof: Make, dovecot_version: str) -> None:
    """Each fault is found alone, and all is decided; before and after, nothing is found."""
    one = proof(dovecot_version, "pam", {"alice": HASH})
    one.finds(set(), password=SECRET, login=True)
    for number, fault in enumerate(FAULTS):
        if number % 4 == 3:
            one.lab.reload()  # the failures before it are no client that retries
        with broken(one.lab, fault):
            assert one.lab.login("alice", b"another" if fault.lets_in else SECRET).ok == fault.lets_in
            found = one.finds({fault.code}, password=SECRET, login=True)
            assert fault.words in found[0].problem.says, fault.name
            assert HASH not in repr(found)
            weight = Severity.RISK if fault.lets_in else Severity.BLOCKS_LOGIN
            assert found[0].severity is weight, fault.name
            assert (found[0].problem.certainty is Certainty.PROVEN) != fault.lets_in, fault.name
        record(one.lab, fault.name, (fault.code,))
    assert one.lab.login("alice", SECRET).ok
    one.finds(set(), password=SECRET)


def test_too_many_failures(proof: Make, dovecot_version: str) -> None:
    """Pam_faillock's own tally, as it writes it; and one that is past."""
    one = proof(dovecot_version, "pam", {"alice": HASH})
    tallies = one.lab.folder / "tallies"
    tallies.mkdir()
    lock = f"pam_faillock.so %s dir={tallies} deny=2 unlock_time=600\n"
    unix = UNIX.replace("success=1", "success=2")
    services = {
        "common-auth": f"auth required {lock % 'preauth'}{unix}auth [default=die] {lock % 'authfail'}{END}"
    }
    store(one.lab).set_services(services)
    for _ in range(3):
        assert not one.lab.login("alice", b"another").ok
    assert not one.lab.login("alice", SECRET).ok
    found = one.finds({"PAM002"}, password=SECRET, login=True)
    assert "pam_faillock holds alice until " in found[0].problem.says
    record(one.lab, "pam_faillock holds the account", ("PAM002",))
    then = int(time.time()) - 700
    (tallies / "alice").write_bytes(b"".join(struct.pack("52sHHQ", b"dovecot", 0, 1, then) for _ in range(3)))
    assert one.lab.login("alice", SECRET).ok
    one.finds(set(), password=SECRET)


def test_what_stays_open_and_what_does_not(proof: Make, dovecot_version: str) -> None:
    """A module that mailauth does not know may take any password; one that is optional decides nothing."""
    one = proof(dovecot_version, "pam", {"alice": HASH, "bob": HASH})
    unknown = "auth [success=1 default=ignore] pam_userdb.so db=/nonexistent use_first_pass\n"
    unix = UNIX.replace("success=1", "success=2")
    store(one.lab).set_services({"common-auth": unix + unknown + END})
    assert one.lab.login("alice", SECRET).ok
    assert not one.lab.login("alice", b"another").ok
    told = one.look(password=b"another").diagnosis
    assert not told.findings
    assert {"PASS001"} <= {one.rule.code for one in told.undecided}
    assert any("pam_userdb.so" in one.missing.reason for one in told.undecided)
    one.lab.set_password("alice", f"!{HASH}")
    for login, severity in ((False, Severity.RISK), (True, Severity.BLOCKS_LOGIN)):
        (told_of,) = one.look(password=SECRET, login=login).diagnosis.findings
        assert (told_of.rule.code, told_of.severity) == ("ACCT001", severity)
        assert told_of.problem.certainty is Certainty.LIKELY
        assert "pam_userdb.so" in told_of.problem.says
    one.lab.set_password("alice", HASH)
    store(one.lab).set_services({"common-auth": f"-auth optional pam_of_nobody.so\n{UNIX}{END}"})
    assert one.lab.login("alice", SECRET).ok
    one.finds(set(), password=SECRET)
    one.finds({"PASS001"}, password=b"another")
    one.lab.set_password("alice", HASH[:-4])
    (cut,) = one.finds({"HASH005"}, password=SECRET)
    assert cut.problem.remedy.summary.endswith("with the system's tools (passwd USER).")
    one.lab.set_password("alice", HASH)
    deep = "auth substack common-auth\naccount include common-account\n"
    store(one.lab).set_services({"dovecot": deep})
    assert one.lab.login("alice", SECRET).ok
    one.finds(set(), password=SECRET)
    other = Proof(one.lab, "alice@example.org")
    assert not other.logins()[0]
    found = other.finds({"USER004"}, password=SECRET)
    assert "'alice'" in found[0].problem.says
    Proof(one.lab, "eve").finds({"USER001"}, password=SECRET)


REFUSED = [
    one
    for one in FAULTS
    if one.name in ("the account is locked", "the account has expired", "a group is required")
]


@pytest.mark.parametrize("version", PROVEN[:1])
def test_a_password_is_compared_with_what_a_refused_account_has(proof: Make, version: str) -> None:
    """PAM alone: what the remedy leaves is a wrong password; before a passwd-file: no right one is wrong."""
    one = proof(version, "pam", {"alice": HASH})
    for fault in REFUSED:
        with broken(one.lab, fault):
            assert not one.lab.login("alice", b"another").ok
            told = one.finds({fault.code, "PASS001"}, password=b"another", login=True)
            sure = {each.rule.code: each.problem.certainty for each in told}
            assert sure == {fault.code: Certainty.LIKELY, "PASS001": Certainty.PROVEN}, "it fails anyhow"
    other = one.write("others", f"alice:{hashed(b'of the file')}\n")
    block = (
        f"passdb {{\n  driver = passwd-file\n  args = {other}\n}}\n"
        if version < "2.4"
        else f"passdb others {{\n  driver = passwd-file\n  passwd_file_path = {other}\n}}\n"
    )
    for fault in REFUSED:
        with broken(one.lab, replace(fault, settings=block)):
            assert not one.lab.login("alice", SECRET).ok
            (found,) = one.finds({fault.code}, password=SECRET, login=True)
            assert (found.problem.certainty, found.severity) == (Certainty.PROVEN, Severity.BLOCKS_LOGIN)
            assert one.lab.login("alice", b"of the file").ok
            told = one.finds({fault.code, "PASS001"}, password=b"another")
            (wrong,) = (each.problem.remedy for each in told if each.rule.code == "PASS001")
            assert "passwd USER for the account of the system" in wrong.summary
    with broken(one.lab, replace(FAULTS[4], settings=block)):  # the right password alone ends the way there
        assert not one.lab.login("alice", SECRET).ok
        one.finds({"ACCT002"}, password=SECRET)
        assert one.lab.login("alice", b"of the file").ok
        told = one.finds({"ACCT002", "CONF011"}, password=b"of the file")
        assert {each.severity for each in told} == {Severity.RISK}
        one.finds({"ACCT002", "PASS001"}, password=b"another")
    one.lab.set_password("alice", HASH.replace("$6$", "$6$rounds=9000000$"))
    (slow,) = one.finds({"HASH027"})
    assert (slow.problem.remedy.commands, slow.problem.remedy.store) == ((), None)
    assert "passwd USER" in slow.problem.remedy.summary


def test_pam_says_mismatch_of_whom_it_does_not_know(proof: Make, dovecot_version: str) -> None:
    """Debian's stack ends in pam_deny: each login of a user of the passwd-file behind it logs a mismatch."""
    pam = proof(dovecot_version, "pam", {"alice": HASH})
    one = replace(pam, user="bob", password=b"of the file")
    others = one.write("others", f"bob:{hashed(one.password)}\n")
    block = (
        f"passdb {{\n  driver = passwd-file\n  args = {others}\n}}\n"
        if dovecot_version < "2.4"
        else f"passdb others {{\n  driver = passwd-file\n  passwd_file_path = {others}\n}}\n"
    )
    one.lab.configure(block)
    one.lab.reload()
    assert one.logins() == [True]
    assert one.lab.logs("Password mismatch?")
    (found,) = one.finds({"CONF011"}, password=one.password, login=True)
    assert "(pam), which has no such user, says that the password is wrong" in found.problem.says
    assert "Put passdb 2 (passwd-file) before passdb 1 (pam)" in found.problem.remedy.summary
    # Where PAM itself says that it has no such user, Dovecot logs that.
    store(one.lab).set_services({"common-auth": "auth required pam_unix.so nodelay\n"})
    assert one.logins() == [True]
    assert one.lab.logs("nknown user")
    one.finds(set(), password=one.password)
    store(one.lab).set_services({"common-auth": f"{UNIX}{END}"})
    # The remedy.
    first = one.write("first.conf", block)
    text = one.lab.config.read_text()
    one.lab.config.write_text(text.replace("passdb", f"!include {first}\npassdb", 1))
    one.lab.configure("")
    one.lab.reload()
    logged = len(one.lab.log())
    assert (one.logins(), pam.logins()) == ([True], [True])
    assert "Password mismatch" not in one.lab.log()[logged:]
    one.finds(set(), password=one.password)
    one.lab.configure("")


def test_the_server_without_a_user(proof: Make, dovecot_version: str) -> None:
    """Checkup finds what keeps everybody out, and nothing on Debian's own service."""
    one = proof(dovecot_version, "pam", {"alice": HASH})

    def codes() -> set[str]:
        found = look_at_all(Checkup(at_pid(one.lab.master_pid, None))).diagnosis.findings
        return {finding.rule.code for finding in found if finding.rule.code.startswith(("PAM", "ACCT"))}

    assert not codes()
    for fault in FAULTS:
        if fault.code in ("PAM001", "ACCT003"):
            with broken(one.lab, fault):
                assert codes() == {fault.code}, fault.name
    assert not codes()


def test_yescrypt_takes_memory(proof: Make, dovecot_version: str) -> None:
    """In auth-worker on Debian 12, in a helper with the same limit on Debian 13: what fits there is open."""
    helper = dovecot_version.startswith("2.4")
    one = proof(dovecot_version, "pam", {"alice": yescrypt("9"), "large": yescrypt("D")})
    one.finds(set(), password=SECRET)
    large = Proof(one.lab, "large")
    assert large.logins() == [False]
    found = large.finds({"MEM001"}, password=SECRET)
    assert "takes 256 MiB; the auth-worker process that verifies it" in found[0].problem.says
    one.lab.configure("service auth-worker {\n  vsz_limit = 32M\n}\n")
    one.lab.reload()
    assert one.logins() == [helper]
    if not helper:
        one.finds({"MEM001"}, password=SECRET)
        return
    told = one.look(password=SECRET).diagnosis
    assert not told.findings
    assert "MEM001" in {undecided.rule.code for undecided in told.undecided}
    assert all("unix_chkpwd" in undecided.missing.reason for undecided in told.undecided)
    made = one.look(password=SECRET, login=True).diagnosis
    assert not made.findings
    assert "MEM001" not in {undecided.rule.code for undecided in made.undecided}


def test_another_service(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """By its options, with the protocol in the name; and one without a file is the service "other"."""
    args = "session=yes cache_key=%u failure_show_msg=yes mail-%s"
    name = f"args = {args}" if dovecot_version < "2.4" else "service_name = mail-%{protocol}"
    with lab(dovecot_version, "pam", {"alice": HASH}, passdb_extra=name) as made:
        one = Proof(made)
        one.finds(set(), password=SECRET, login=True)
        store(made).set_services(
            {"mail-imap": "auth required pam_unix.so nodelay\naccount include no-such\n"}
        )
        assert one.logins() == [False]
        found = one.finds({"PAM001"}, password=SECRET, login=True)
        assert "/etc/pam.d/mail-imap:2" in found[0].problem.says
        redhat = "auth sufficient pam_unix.so nullok nodelay\nauth sufficient pam_of_nobody.so\n"
        usertype = "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\n"
        rest = "auth required pam_deny.so\naccount required pam_unix.so\nsession required pam_permit.so\n"
        store(made).set_services({"mail-imap": f"auth required pam_env.so\n{usertype}{redhat}{rest}"})
        assert one.logins() == [True]
        one.finds(set(), password=SECRET)
        one.finds({"PASS001"}, password=b"another")


def test_what_pam_logs_of_a_module_that_is_not_followed(
    proof: Make, dovecot_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason stands in the system's log of authentication alone: there it is read, of this user only."""
    one = proof(dovecot_version, "pam", {"alice": HASH})
    log = one.write("auth.log", "")
    access = "account required pam_exec.so quiet /bin/false\n"
    store(one.lab).set_services(
        {"common-account": f"{access}{ACCOUNT}account required pam_permit.so\n"},
    )
    assert one.logins() == [False]
    said = "pam_exec(dovecot:account): access denied for user `alice' from `dovecot'"
    line = f"Nov 30 00:00:01 host auth: {said}"
    other = "Nov 30 00:00:09 host sshd[1]: pam_unix(sshd:auth): authentication failure; user=alice"
    texts = (line, line.replace("alice", "malice"), line.replace(":01", ":02"), other, "")
    log.write_text("\n".join(texts))
    monkeypatch.setattr(pam_log, "FILES", ("/nonexistent", str(log)))
    (found,) = one.look(password=SECRET, login=True).diagnosis.findings
    assert found.rule.code == "AUTH016"
    record(one.lab, "a module of PAM that is not followed refuses", ("AUTH016",))
    end = f"in {log}: {said} (Nov 30 00:00:02)."
    assert found.problem.says.endswith(end), found.problem.says
