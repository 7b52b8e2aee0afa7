"""Passdbs that mailauth does not look into, before, between and after those that it asks."""

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from mailauth.cli.shared.output import exit_status
from mailauth.clients.door import Answer
from mailauth.diagnosing import Target, diagnose
from mailauth.dovecot.doveadm import at_pid
from mailauth.finding import Certainty, Diagnosis, Severity
from mailauth.hashes import Password, generate
from mailauth.login import asked
from mailauth.login.enter import log_in
from mailauth.login.judge import Breaks, judge
from mailauth.login.site import look_at
from mailauth.login.way import Layer
from mailauth.login.ways import Choice, ways
from mailauth.render.text import summary
from tests.cli.running import mailauth
from tests.field.chains import (
    PAM,
    Part,
    from_dict,
    ldap,
    lua,
    oauth2,
    passwd_file,
    server,
    sqlite,
    userdb_file,
)
from tests.field.directory import Directory
from tests.field.rig import Rig
from tests.proofs.story import SECRET, MiB, Proof, argon2id, record_of, workers

MakeRig = Callable[..., Rig]
GOOD = argon2id(memory=1 * MiB)
OTHER = argon2id(b"another", memory=1 * MiB)
SSHA = generate("SSHA", Password(SECRET), user="alice")  # both slapd and Dovecot know it
CUT = GOOD[:50]
LARGE = argon2id(memory=256 * MiB)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with Directory(tmp_path_factory.mktemp("ldap") / "slapd", {"alice": SSHA}) as one:
        yield one


def codes(diagnosis: Diagnosis) -> dict[str, tuple[Severity, Certainty]]:
    return {one.rule.code: (one.severity, one.problem.certainty) for one in diagnosis.findings}


def undecided(diagnosis: Diagnosis) -> set[str]:
    return {one.rule.code for one in diagnosis.undecided}


BLOCKS, RISK = Severity.BLOCKS_LOGIN, Severity.RISK
LIKELY, PROVEN = Certainty.LIKELY, Certainty.PROVEN


@pytest.mark.parametrize("bind", [True, False], ids=["bind", "lookup"])
@pytest.mark.parametrize("first", ["ldap", "sqlite"])
def test_the_password_is_right_in_ldap(
    rig: MakeRig, dovecot_version: str, directory: Directory, first: str, bind: bool
) -> None:
    """And wrong in the database: of a bind only a login tells, and then there is nothing to find."""
    parts = [ldap(directory, bind=bind), sqlite()]
    one = server(rig, dovecot_version, *(parts if first == "ldap" else parts[::-1]), rows={"alice": OTHER})
    told = Proof(one)
    assert told.logins() == [True], one.log()
    without = told.look(password=SECRET).diagnosis
    before = {} if bind or first == "ldap" else {"CONF011": (RISK, PROVEN)}
    assert codes(without) == before
    assert undecided(without) == ({"USER001", "PASS001"} if bind else set())
    assert exit_status(without) == (3 if bind else 1 if before else 0)
    assert ("Not looked into: passdb" in summary(without)) == bind
    made = told.look(password=SECRET, login=True).diagnosis
    assert (codes(made), undecided(made), exit_status(made)) == (before, set(), 1 if before else 0)
    assert summary(made).startswith("The login works.")
    # A password that neither takes.
    wrong = told.look(password=b"wrong").diagnosis
    assert codes(wrong) == ({} if bind else {"PASS001": (BLOCKS, PROVEN)})
    refused = told.look(password=b"wrong", login=True).diagnosis
    assert codes(refused) == {"PASS001": (BLOCKS, LIKELY if bind else PROVEN)}
    assert ("refused the login, so passdb" in refused.findings[0].problem.says) == bind


def test_a_login_at_a_directory_that_hangs(rig: MakeRig, dovecot_version: str, directory: Directory) -> None:
    """What is waited for is said meanwhile, and all ends in time: then the login is undecided."""
    one = server(rig, dovecot_version, ldap(directory, bind=True))
    words = ("login", "alice", "--pid", str(one.master_pid), "--password-stdin")
    assert mailauth(*words, feed=SECRET).returncode == 0
    directory.pause()
    try:
        told = mailauth(*words, "--timeout", "8", feed=SECRET)
    finally:
        directory.go_on()
    assert told.returncode == 3, told
    assert (
        "waiting for hash, offline: no answer for 3 s; everything ends within 8 s (--timeout)" in told.stderr
    )
    assert "NOT SEEN  doveadm auth test" in told.stdout
    assert "give more with --timeout" in " ".join(told.stdout.split())


@pytest.mark.parametrize(("stored", "code"), [(CUT, "HASH005"), (LARGE, "MEM001")])
@pytest.mark.parametrize("works", [True, False], ids=["has the user", "has another"])
def test_an_entry_that_fails_beside_one_that_is_not_seen(
    rig: MakeRig, dovecot_version: str, stored: str, code: str, *, works: bool
) -> None:
    """Without a login it is a risk; a login that fails shows that it blocks."""
    part = lua("alice" if works else "bob", SECRET.decode())
    told = Proof(server(rig, dovecot_version, part, sqlite(), rows={"alice": stored}))
    without = told.look(password=SECRET).diagnosis
    assert codes(without)[code] == (RISK, LIKELY)
    assert BLOCKS not in {severity for severity, _ in codes(without).values()}
    made = told.look(password=SECRET, login=True).diagnosis
    assert told.logins() == [works]
    assert codes(made)[code] == ((RISK if works else BLOCKS), LIKELY)
    assert all(severity is not BLOCKS or not works for severity, _ in codes(made).values())


@pytest.mark.dovecot("< 2.4")
def test_a_hash_too_large_before_another(rig: MakeRig, dovecot_version: str) -> None:
    """Which of the two passwords somebody has was not given: the one fails, the other logs in."""
    parts = (passwd_file({"alice": LARGE}, "first"), passwd_file({"alice": OTHER}, "second"))
    one = server(rig, dovecot_version, *parts)
    told = Proof(one)
    assert told.logins() == [False]
    (found,) = told.look().diagnosis.findings
    assert (found.rule.code, found.severity) == ("MEM001", RISK)
    also = "Every login fails. That holds for this passdb alone: a password that passdb 2 (passwd-file) takes"
    assert found.problem.says.endswith(f"{also} logs in.")
    (found,) = told.look(password=SECRET).diagnosis.findings
    assert (found.rule.code, found.severity) == ("MEM001", BLOCKS)
    # The one who is in the first alone, or whose hashes are too large in both, is let in by none.
    for rows in (f"bob:{OTHER}\n", f"alice:{LARGE}\n", f"alice:{LARGE.replace('m=262144', 'm=524288')}\n"):
        one.write("second", rows)
        assert told.logins() == [False]
        every = told.look().diagnosis
        assert not every.undecided
        assert {(each.rule.code, each.severity, each.problem.certainty) for each in every.findings} == {
            ("MEM001", BLOCKS, PROVEN)
        }
        assert "That holds for this passdb alone" not in repr(every.findings)


def test_pam_alone(rig: MakeRig, dovecot_version: str) -> None:
    """The system has no such user, which its files say."""
    told = Proof(server(rig, dovecot_version, PAM))
    for login in (False, True):
        made = told.look(password=SECRET, login=login).diagnosis
        assert codes(made) == {"USER001": (BLOCKS, PROVEN)}
        assert (undecided(made), exit_status(made)) == (set(), 1)
    record_of(dovecot_version, "pam", "", codes(made))


def test_nologin_of_one_passdb_of_two(rig: MakeRig, dovecot_version: str) -> None:
    """With the password that only the second has, the login works: without one, it is a risk."""
    other = generate("SSHA512", Password(b"another"))
    first = passwd_file({"alice": f"{other}::::::nologin=y"}, "first")
    one = server(rig, dovecot_version, first, passwd_file({"alice": GOOD}, "second"))
    told = Proof(one)
    assert told.logins() == [True]
    assert codes(told.look().diagnosis)["USER005"] == (RISK, LIKELY)
    assert BLOCKS not in {severity for severity, _ in codes(told.look(password=SECRET).diagnosis).values()}
    with_the_first = told.look(password=b"another").diagnosis
    assert codes(with_the_first)["USER005"] == (BLOCKS, Certainty.PROVEN)


@pytest.mark.parametrize("order", ["before", "between", "after"])
def test_the_user_is_found_beside_pam(rig: MakeRig, dovecot_version: str, order: str) -> None:
    """The password is right where it was looked up; PAM comes before that, or is not reached.

    Debian's common-auth ends in pam_deny: PAM says "Password mismatch?" of whom it does not know, each time.
    """
    other = passwd_file({"bob": GOOD}, "others")
    parts: dict[str, list[Part]] = {
        "before": [PAM, passwd_file({"alice": GOOD})],
        "between": [other, PAM, passwd_file({"alice": GOOD})],
        "after": [passwd_file({"alice": GOOD}), PAM],
    }
    told = Proof(server(rig, dovecot_version, *parts[order]))
    assert told.logins() == [True]
    right = {} if order == "after" else {"CONF011": (RISK, Certainty.PROVEN)}
    for login in (False, True):
        made = told.look(password=SECRET, login=login).diagnosis
        assert (codes(made), undecided(made)) == (right, set())
        assert exit_status(made) == (1 if right else 0)


@pytest.mark.parametrize("fault", ["a driver that nobody has", "a mechanism that nobody has"])
def test_auth_that_does_not_start_says_nothing_of_a_password(
    rig: MakeRig, dovecot_version: str, fault: str
) -> None:
    """What the second passdb has is not what fails."""
    told = Proof(server(rig, dovecot_version, passwd_file({"alice": OTHER})))
    nosuch = "passdb {\n  driver = nosuch\n}\n" if dovecot_version < "2.4" else "passdb nosuch {\n}\n"
    told.lab.configure(nosuch if "driver" in fault else "auth_mechanisms = plain nosuch\n")
    told.lab.restart()
    found = told.look(password=SECRET).diagnosis
    assert set(codes(found)) == {"CONF009" if "driver" in fault else "CONF010"}
    assert "PASS001" in undecided(found)


@pytest.mark.parametrize("works", [True, False])
def test_login_and_check_past_what_is_not_looked_into(
    rig: MakeRig, dovecot_version: str, works: bool
) -> None:
    """The stored string blames nobody; whether the login works decides; check says what it did not see."""
    part = lua("alice", SECRET.decode() if works else "another")
    one = server(rig, dovecot_version, part, sqlite(), rows={"alice": OTHER})
    pid = ("--pid", str(one.master_pid))
    done = mailauth("login", "alice", "--password-stdin", "--way", "imap", *pid, feed=SECRET.decode())
    assert "passdb 1 (lua) was not looked into" in done.stdout
    assert done.returncode == (0 if works else 1), done.stdout
    assert ("FIRST TO DISAGREE  passdb" in done.stdout) is not works
    checked = mailauth("check", "server", "rows", "headroom", "--timeout", "120s", *pid)
    assert checked.returncode == 0
    first = checked.stdout.partition("\n")[0]
    assert "nothing wrong in what was looked at; not looked into: passdb 1 (lua)" in first
    for check in ("server", "rows", "headroom"):
        assert f"[NOT SEEN] {check}: passdb 1 (lua)" in checked.stdout
    assert not [line for line in checked.stdout.splitlines() if line.startswith("[OK]") and "lua" in line]
    assert "[OK] headroom: no stored hash needs much memory" not in checked.stdout
    assert re.search(r"\(of the rows counted \d+ s ago\)", checked.stdout)  # 0, but on a busy machine


def test_check_of_a_server_whose_only_passdb_is_not_looked_into(rig: MakeRig, dovecot_version: str) -> None:
    one = server(rig, dovecot_version, PAM)
    done = mailauth("check", "rows", "headroom", "--pid", str(one.master_pid))
    assert "all well" not in done.stdout
    assert "takes memory" not in done.stdout
    assert "MAILAUTH OK - headroom, rows: nothing could be looked at: passdb 1 (pam)" in done.stdout
    assert "[OK]" not in done.stdout
    assert "rows_broken" not in done.stdout
    offered = mailauth("migrate", "on-login", "enable", "--pid", str(one.master_pid))
    assert (offered.returncode, "no passdb with hashes" in offered.stderr) == (2, True)


def test_login_waits_once_for_a_passdb_that_does_not_answer(
    rig: MakeRig, dovecot_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "_SECONDS", 1.0)
    script = "function auth_password_verify(request, password)\n  os.execute('sleep 8')\n"
    script += "  return dovecot.auth.PASSDB_RESULT_OK, {}\nend\n"
    part = lua("alice", SECRET.decode())
    one = server(rig, dovecot_version, Part(part.old, part.new, {"login.lua": script}))
    site = look_at(at_pid(one.master_pid, None))
    attempts = list(log_in(ways(site, Choice(tls=("plain",))), "alice", Password(SECRET), site))
    assert [each.way.layer for each in attempts if each.answer is Answer.UNREACHABLE] == [Layer.TEST]
    assert [fault.breaks for fault in judge(attempts).faults] == [Breaks.AUTH]


@pytest.fixture
def tokens() -> Iterator[int]:
    """A server that says whose token it is: of SECRET, alice's; its port."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = parse_qs(urlsplit(self.path).query).get("token") == [SECRET.decode()]
            body = json.dumps({"user": "alice"} if known else {"error": "invalid_token"}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not a word."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as one:
        thread = Thread(target=one.serve_forever)
        thread.start()
        yield one.server_port
        one.shutdown()
        thread.join()


@pytest.mark.dovecot("< 2.4")
@pytest.mark.parametrize("mechanism", ["", "XOAUTH2", "OAUTHBEARER"])
def test_oauth2_alone(rig: MakeRig, dovecot_version: str, tokens: int, mechanism: str) -> None:
    """A passdb for some mechanisms only is judged for the one that is used, and logged in to by that.

    PLAIN is offered, and nobody can log in by it: that is a risk whatever the mechanism.
    """
    more = "auth_mechanisms = plain xoauth2 oauthbearer\n"
    offered = {"CONF010": (RISK, Certainty.PROVEN)}
    one = server(rig, dovecot_version, oauth2(tokens), more=more)

    def looked(token: bytes, *, login: bool) -> Diagnosis:
        dovecot = at_pid(one.master_pid, None)
        return diagnose(Target("alice", dovecot, Password(token), login=login, mechanism=mechanism))

    without = looked(SECRET, login=False)
    assert (codes(without), undecided(without)) == (offered, {"USER001", "PASS001"})
    made = looked(SECRET, login=True)
    assert (codes(made), undecided(made)) == (offered, set()), one.log()
    assert codes(looked(b"expired", login=True)) == {**offered, "AUTH016": (BLOCKS, Certainty.PROVEN)}
    option = ("--mechanism", mechanism) if mechanism else ()
    where = ("--way", "imap", "--pid", str(one.master_pid))
    ways_in = mailauth("login", "alice", "--password-stdin", *option, *where, feed=SECRET.decode())
    assert ways_in.returncode == (0 if mechanism else 1), ways_in.stdout
    if not mechanism:
        plain = diagnose(Target("alice", at_pid(one.master_pid, None), mechanism="PLAIN"))
        assert set(codes(plain)) == {*offered, "USER012"}


@pytest.mark.dovecot("< 2.4")
def test_oauth2_beside_a_database(rig: MakeRig, dovecot_version: str, tokens: int) -> None:
    """It is for other mechanisms: a password is judged without it; that nobody knows a user is not said."""
    more = "auth_mechanisms = plain xoauth2\n"
    told = Proof(server(rig, dovecot_version, oauth2(tokens), sqlite(), rows={"alice": GOOD}, more=more))
    right = told.look(password=SECRET).diagnosis
    assert (codes(right), undecided(right), exit_status(right)) == ({}, set(), 0)
    assert codes(told.look(password=b"wrong").diagnosis) == {"PASS001": (BLOCKS, Certainty.PROVEN)}
    told.user = "carol"
    unknown = told.look().diagnosis
    assert (codes(unknown), undecided(unknown)) == ({}, {"USER001"})


@pytest.mark.dovecot("< 2.4")
def test_a_dict_alone(rig: MakeRig, dovecot_version: str) -> None:
    told = Proof(server(rig, dovecot_version, from_dict("alice", GOOD)))
    assert told.logins() == [True], told.lab.log()
    without = told.look(password=SECRET).diagnosis
    assert (codes(without), undecided(without)) == ({}, {"USER001", "PASS001", "HASH001", "MEM001"})
    memory = next(one.missing.reason for one in without.undecided if one.rule.code == "MEM001")
    assert "verified by auth-worker" in memory
    assert workers(told.lab)
    made = told.look(password=SECRET, login=True).diagnosis
    assert (codes(made), undecided(made), exit_status(made)) == ({}, set(), 0)


def test_the_userdb_of_users_that_mailauth_does_not_see(rig: MakeRig, dovecot_version: str) -> None:
    """The userdb does not know the user: a fault, once a login shows that a passdb does."""
    part = lua("alice", SECRET.decode())
    told = Proof(server(rig, dovecot_version, part, userdb=userdb_file(dovecot_version, "bob")))
    without = told.look(password=SECRET).diagnosis
    assert codes(without) == {}
    assert "USERDB001" in undecided(without)
    made = told.look(password=SECRET, login=True).diagnosis
    assert codes(made) == {"USERDB001": (BLOCKS, Certainty.PROVEN)}
    assert undecided(made) == set()


def test_a_session_that_works_decides(rig: MakeRig, dovecot_version: str) -> None:
    part = lua("alice", SECRET.decode())
    told = Proof(server(rig, dovecot_version, part, userdb=userdb_file(dovecot_version, "alice")))
    made = told.look(password=SECRET, login=True).diagnosis
    assert (codes(made), undecided(made), exit_status(made)) == ({}, set(), 0)


def test_a_database_that_fails_before_a_file(rig: MakeRig, dovecot_version: str) -> None:
    """The database's fault is named; a password that the file does not take may be the database's."""
    told = Proof(server(rig, dovecot_version, sqlite(), passwd_file({"alice": GOOD}), rows={}))
    assert isinstance(told.lab, Rig)
    told.lab.sql("ALTER TABLE accounts RENAME COLUMN secret TO crypted")
    assert told.logins() == [True]
    for login in (False, True):
        assert codes(told.look(password=SECRET, login=login).diagnosis)["DB004"][0] is RISK
    wrong = told.look(password=b"wrong").diagnosis
    assert codes(wrong) == {"DB004": (BLOCKS, Certainty.PROVEN)}
    assert "PASS001" in undecided(wrong)
