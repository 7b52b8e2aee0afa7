"""What the log has the reason of: auth does not start, a session ends, a server behind fails."""

import contextlib
import imaplib
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import Installation, at_pid
from mailauth.dovecot.logreading import read_logs
from mailauth.dovecot.logreport import Reading
from mailauth.evidence import AuthStart
from mailauth.finding import Finding, Severity
from mailauth.hashes import Password
from mailauth.lab import Lab, builds
from mailauth.render.text import summary
from tests.cli.running import mailauth
from tests.dovecot.test_messages import SECRET_LINES
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record
from tests.proofs.test_db import gets_in_soon, rewrite

Make = Callable[..., Proof]
GOOD = argon2id(memory=1 * MiB)
SECRETS = ("Tr0ub4dor&3", "c29tZXNlY3JldHBhc3M=")
PAM = {"2.3": "passdb {\n  driver = pam\n  args = sesion=yes dovecot\n}\n", "2.4": ""}


def broken(one: Proof) -> None:
    """Reload, and wait until auth did not start: the one before it answers for some moments more."""
    done = one.lab.run("doveadm", "reload")
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 60
    while "service(auth): command startup failed" not in one.lab.log():
        gets_in_soon(one)
        assert time.monotonic() < deadline


def found(one: Proof, code: str, *, login: bool = False) -> Finding:
    told = one.look(password=SECRET if login else None, login=login).diagnosis
    by_code = {finding.rule.code: finding for finding in told.findings}
    assert code in by_code, [finding.problem.says for finding in told.findings]
    return by_code[code]


def alone_with_pam(one: Proof) -> str:
    """No passdb but PAM, for a mechanism that needs the stored password."""
    main = one.lab.config.read_text()
    begin = main.index("passdb")
    end = main.index("\n}\n", begin) + 3
    pam = "passdb pam {\n}\n" if one.lab.dialect == "2.4" else "passdb {\n  driver = pam\n}\n"
    one.lab.config.write_text(main[:begin] + pam + main[end:])
    return "auth_mechanisms = plain cram-md5\n"


def misspelt(one: Proof) -> str:
    return PAM[one.lab.dialect]


def ldap_file(one: Proof) -> str:
    ldap = one.write("ldap.conf.ext", "uris = ldap://127.0.0.1:1\nbase = dc=x\nauth_bind = enabled\n")
    return f"passdb {{\n  driver = ldap\n  args = {ldap}\n}}\n"


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (alone_with_pam, "CRAM-MD5 mechanism can't be supported with given passdbs"),
        pytest.param(misspelt, "pam: Unknown setting: sesion=yes", marks=pytest.mark.dovecot("< 2.4")),
        pytest.param(ldap_file, "line 3: Invalid boolean: enabled", marks=pytest.mark.dovecot("< 2.4")),
    ],
)
def test_auth014_does_not_start(
    proof: Make, dovecot_version: str, breaks: Callable[[Proof], str], says: str
) -> None:
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    main = one.lab.config.read_text()
    assert one.logins() == [True]
    assert "AUTH014" not in {finding.rule.code for finding in one.look().diagnosis.findings}
    one.lab.configure(breaks(one))
    broken(one)
    told = found(one, "AUTH014")
    assert says in told.problem.says
    assert told.problem.because[0].seen
    one.lab.config.write_text(main)
    one.lab.configure("")
    one.lab.reload()
    assert one.logins() == [True]
    one.finds(set())
    record(one.lab, f"auth does not start: {says}", ("AUTH014",))


@pytest.mark.dovecot("< 2.4")
def test_auth014_quotes_what_came_before_the_end(proof: Make, dovecot_version: str) -> None:
    """2.3's auth is killed by signal 11 where PostgreSQL is away: its own last error comes first."""
    one = proof(dovecot_version, "pgsql", {"alice": GOOD})
    place = one.lab.store.place
    assert one.logins() == [True]
    rewrite(f"port={place.port}", "port=1")(one.lab)
    broken(one)
    told = look_at_all(Checkup(at_pid(one.lab.master_pid, None))).diagnosis
    assert {each.rule.code for each in told.findings} == {"DB001"}  # AUTH014 need not tell
    [says] = [fact.words for fact in told.evidence if isinstance(fact, AuthStart)]
    assert says.startswith("pgsql(127.0.0.1): Connect failed to database")
    assert "Connection refused; then service(auth): child" in says
    assert "killed with signal 11" in says
    rewrite("port=1", f"port={place.port}")(one.lab)
    one.lab.reload()
    assert one.logins() == [True]
    one.finds(set())


def imap(lab: Lab) -> None:
    """A session as a mail program has it, which may be ended."""
    client = imaplib.IMAP4("127.0.0.1", lab.ports["imap"], timeout=30)
    with contextlib.suppress(imaplib.IMAP4.error, OSError):
        client.login("alice", SECRET.decode())
        client.select(readonly=True)
        client.logout()
    with contextlib.suppress(OSError):
        client.shutdown()


def test_auth015_a_plugin_lacks_another(proof: Make, dovecot_version: str) -> None:
    """With a login of our own AUTH013 quotes the line; without, what a client's session left says it."""
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD, "bob": GOOD}, protocols=("imap",))
    imap(one.lab)
    assert one.lab.logs("Logged out")
    one.finds(set())
    one.lab.configure("mail_plugins = imap_quota\n")
    one.lab.reload()
    one.finds(set())  # nobody has tried it
    imap(one.lab)
    assert one.lab.logs("Plugin quota must be loaded also")
    told = one.finds({"AUTH015"})
    assert "Plugin quota must be loaded also" in told[0].problem.says
    assert told[0].severity is Severity.BLOCKS_LOGIN
    [of_bob] = replace(one, user="bob").finds({"AUTH015"})
    assert of_bob.severity is Severity.RISK  # it may be alice's own
    assert "All were of 'alice'" in of_bob.problem.says
    told = one.finds({"AUTH013"}, password=SECRET, login=True)
    assert "Plugin quota must be loaded also" in told[0].problem.says
    made = one.look(password=SECRET, login=True).diagnosis
    assert summary(made).startswith("auth takes the password, and a session of our own fails: ")
    one.lab.configure("")
    one.lab.reload()
    one.finds(set(), password=SECRET, login=True)
    record(one.lab, "a plugin lacks another", ("AUTH015",))


@pytest.mark.parametrize("service", ["imap", "imap-login"])
def test_auth015_a_service_without_room(proof: Make, dovecot_version: str, service: str) -> None:
    """Its processes die before they serve anybody; without a login of our own the log tells."""
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    imap(one.lab)
    assert one.lab.logs("Logged out")
    one.lab.configure(f"service {service} {{\n  vsz_limit = 5 M\n}}\n")
    one.lab.reload()
    with contextlib.suppress(imaplib.IMAP4.error):  # it is sent away before the greeting
        imap(one.lab)
    assert one.lab.logs(f"service({service}): command startup failed")
    assert one.lab.logs("failed to map segment")
    told = one.finds({"AUTH015"})
    assert f"of {service}: " in told[0].problem.says
    assert "vsz_limit is too small" in told[0].problem.says
    which = ("--pid", str(one.lab.master_pid))
    checked = mailauth("check", "workers", "--state", str(one.lab.folder / "kept"), *which)
    assert checked.returncode == 2, checked.stdout
    assert "AUTH015" in checked.stdout
    one.paste(told)
    one.lab.restart()  # a service that ended as it started is not started again at once
    imap(one.lab)
    assert one.lab.logs("Logged out", times=2)
    one.finds(set())
    record(one.lab, f"{service} dies of its vsz_limit", ("AUTH015",))


def id_that_is_not_there(one: Proof) -> None:
    """The passdb hands on a user that this system does not have."""
    fields = "userdb_uid=nosuchuser userdb_gid=1000 userdb_home=/nonexistent"
    one.lab.set_password("alice", f"{GOOD}::::::{fields}")
    main = one.lab.config.read_text()
    begin = main.index("userdb")
    end = main.index("\n}\n", begin) + 3
    prefetch = "userdb {\n  driver = prefetch\n}\n" if one.lab.dialect == "2.3" else "userdb prefetch {\n}\n"
    one.lab.config.write_text(main[:begin] + prefetch + main[end:])
    one.lab.reload()
    imap(one.lab)
    assert one.lab.logs("Internal login failure")


def too_many_at_once(one: Proof) -> None:
    """Two sessions, and one is allowed."""
    one.lab.configure("mail_max_userip_connections = 1\n")
    one.lab.reload()
    first = imaplib.IMAP4("127.0.0.1", one.lab.ports["imap"], timeout=30)
    first.login("alice", SECRET.decode())
    imap(one.lab)
    assert one.lab.logs("Maximum number of connections")
    first.shutdown()


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [
        (id_that_is_not_there, "Invalid UID value"),
        (too_many_at_once, "Maximum number of connections from user+IP exceeded"),
    ],
)
def test_sessions_that_fail_after_auth_are_counted(
    proof: Make, dovecot_version: str, breaks: Callable[[Proof], None], reason: str
) -> None:
    """Mailauth log counts them for their user, and ends with status 1."""
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD}, protocols=("imap",))
    path = str(one.lab.folder / "log")
    imap(one.lab)
    assert one.lab.logs("Logged out")
    assert mailauth("log", "--log", path).returncode == 0
    breaks(one)
    report = read_logs(Reading((one.lab.folder / "log",)))
    assert [(row.user, row.failures) for row in report.rows] == [("alice", 1)]
    assert reason in report.rows[0].reason
    assert mailauth("log", "--log", path).returncode == 1


def test_logins_that_a_later_passdb_lets_in_are_no_failures(proof: Make, dovecot_version: str) -> None:
    """Through auth-client, as Postfix asks: the first passdb's no is in the log, and nothing of the yes."""
    one = proof(dovecot_version, "passwd-file", {"bob": GOOD})
    users = one.write("more", f"alice:{GOOD}\n")
    if one.lab.dialect == "2.3":
        second = f"passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n"
    else:
        second = f"passdb more {{\n  driver = passwd-file\n  passwd_file_path = {users}\n}}\n"
    one.lab.configure(second)
    one.lab.reload()
    for _ in range(40):
        assert one.lab.login("alice", SECRET, address="10.0.0.1").ok
    assert one.lab.logs("unknown user", times=40)
    told = one.look().diagnosis
    assert "LOG001" not in {finding.rule.code for finding in told.findings}
    report = read_logs(Reading((one.lab.folder / "log",), several=True))
    assert report.unproven == 40
    assert report.rows[0].pattern.value == "perhaps logins that worked"


@pytest.mark.dovecot("< 2.4")  # which says it of the user
def test_auth017_an_imap_server_that_is_down(proof: Make, dovecot_version: str) -> None:
    """Of a server, and of no user: auth's own connection to it is refused."""
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    port = one.lab.free_port()
    one.lab.configure(f"passdb {{\n  driver = imap\n  args = host=127.0.0.1 port={port}\n}}\n")
    one.lab.reload()
    assert not one.lab.login("nobody", SECRET).ok
    assert one.lab.logs("Connection refused")
    told = found(one, "AUTH017")
    assert f"127.0.0.1:{port}" in told.problem.says
    report = read_logs(Reading((one.lab.folder / "log",)))
    assert not any(row.user.startswith(("/", "127")) for row in report.rows)
    record(one.lab, "the IMAP server that a passdb asks is down", ("AUTH017",))


def test_conf018_says_the_last_words(proof: Make) -> None:
    """A port that somebody else has: Dovecot does not start, and its log says so.

    With the one installed: that of another root can be started from within only.
    """
    installed = builds.installed()
    assert installed
    one = proof(str(installed.version), "passwd-file", {"alice": GOOD}, protocols=("imap",))
    one.lab.stop()
    with socket.create_server(("127.0.0.1", one.lab.ports["imap"])):
        done = one.lab.run("dovecot")
        assert done.returncode or "in use" in done.stderr + one.lab.log()
        assert one.lab.logs("Address already in use")
        told = look(Target("alice", Installation(str(one.lab.config)), Password(SECRET))).diagnosis
    by_code = {finding.rule.code: finding for finding in told.findings}
    assert "Address already in use" in by_code["CONF018"].problem.says


def test_no_command_shows_a_secret_of_the_log(proof: Make, dovecot_version: str) -> None:
    """Lines with a password in every place where one was seen, and each command that quotes the log."""
    one = proof(dovecot_version, "passwd-file", {"a": GOOD})
    now = time.strftime("%b %d %H:%M:%S")
    with (one.lab.folder / "log").open("a") as log:
        log.writelines(f"{now} {line.format(one_of)}\n" for line in SECRET_LINES for one_of in SECRETS)
    which = ("--pid", str(one.lab.master_pid))
    for words in (
        ("diagnose", "a", *which),
        ("diagnose", "a", "--json", *which),
        ("checkup", "--json", *which),
        ("log", "--log", str(one.lab.folder / "log")),
        ("log", "--json", *which),
        ("check", "failures", "workers", "--state", str(one.lab.folder / "kept"), *which),
    ):
        done = mailauth(*words)
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS), words
        assert done.stdout, done.stderr


@pytest.mark.parametrize(
    ("user", "password", "advice", "never"),
    [
        ("alice", b"the old one", "give it the right password; ban its address", "server's own"),
        ("nobody", SECRET, "Take the account of 'nobody', whom no passdb has, out of that client", "right"),
        ("bob", SECRET, "Allow 'bob' to log in from 10.0.0.1 (allow_nets)", "ban its address"),
        ("carol", SECRET, "Repair what is stored for 'carol'", "ban its address"),
    ],
    ids=["mismatch", "unknown", "address", "scheme"],
)
def test_log001_fits_the_kind_of_failure(
    proof: Make, dovecot_version: str, user: str, password: bytes, advice: str, never: str
) -> None:
    users = {"alice": GOOD, "bob": f"{GOOD}::::::allow_nets=192.0.2.0/24", "carol": "{NOSUCH}abc"}
    one = proof(dovecot_version, "passwd-file", users)
    for _ in range(35):
        assert not one.lab.login(user, password, address="10.0.0.1").ok
    assert one.lab.logs(f"({user},10.0.0.1", times=35)
    diagnosis = one.look().diagnosis
    [found] = [finding for finding in diagnosis.findings if finding.rule.code == "LOG001"]
    assert advice in found.problem.remedy.summary
    assert never not in found.problem.remedy.summary


def test_log001_of_a_server_that_fails(proof: Make, dovecot_version: str) -> None:
    """The password may be right: the query of those who are there ends with an error."""
    one = proof(dovecot_version, "sqlite", {"alice": GOOD})
    rewrite("SELECT ", "SELECT abs(-9223372036854775807 - 1) AS more, ")(one.lab)
    one.lab.restart()
    for _ in range(35):
        assert not one.lab.login("alice", SECRET, address="10.0.0.1").ok
    assert one.lab.logs("query failed", times=35)
    [found] = [one for one in one.look().diagnosis.findings if one.rule.code == "LOG001"]
    assert "(server error)" in found.problem.says
    assert "an error of the server's own, whatever its password is" in found.problem.remedy.summary
    assert "ban" not in found.problem.remedy.summary
    assert not found.problem.remedy.careful


def test_log001_of_a_hash_that_does_not_fit(proof: Make, dovecot_version: str) -> None:
    """The story that mailauth was born from: the client is right, and its address is none to ban."""
    one = proof(dovecot_version, "sqlite", {"alice": argon2id(memory=256 * MiB), "bob": GOOD})
    for _ in range(35):
        assert not one.lab.login("alice", SECRET, address="10.0.0.1").ok
    assert one.lab.logs("Password mismatch", times=35)

    def remedy(user: str) -> str:
        one.user = user
        told = {finding.rule.code: finding for finding in one.look().diagnosis.findings}
        assert ("MEM001" in told) == (user == "alice")
        return told["LOG001"].problem.remedy.summary

    assert "Leave that client alone: its password may be right" in remedy("alice")
    assert "ban" not in remedy("alice")
    assert "See first whether the password of 'alice' is wrong" in remedy("bob")
    found = look_at_all(Checkup(at_pid(one.lab.master_pid, None))).diagnosis.findings
    [log001] = [each for each in found if each.rule.code == "LOG001"]
    assert "See first whether the password of 'alice' is wrong" in log001.problem.remedy.summary


def test_log001_of_a_script_on_this_machine(proof: Make, dovecot_version: str) -> None:
    """A health check that asks for a password of before: no address to ban."""
    one = proof(dovecot_version, "passwd-file", {"alice": GOOD})
    for _ in range(35):
        assert not one.lab.login("alice", b"the old one").ok
    assert one.lab.logs("Password mismatch", times=35)
    [found] = [each for each in one.look().diagnosis.findings if each.rule.code == "LOG001"]
    assert "'alice' fails from this machine: 35 times" in found.problem.says
    assert "a program on this machine" in found.problem.remedy.summary
    assert "ban" not in found.problem.remedy.summary
