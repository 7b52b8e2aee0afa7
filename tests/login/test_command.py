"""The command: what it prints, how it ends, and that it does not hammer."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import jsonschema
import pytest

from mailauth.lab import Lab
from tests.cli.running import ORDINARY, ROOT, for_all_users, mailauth

SCHEMA = ROOT / "mailauth" / "schemas" / "login.json"
SECRET = "correct horse"
USERS = {"alice": "{PLAIN}" + SECRET}
OFFERED = "auth_mechanisms = plain cram-md5 scram-sha-256\n"


def test_right_and_wrong_passwords(lab: Callable[..., Lab], dovecot_version: str) -> None:
    with lab(dovecot_version, "passwd-file", USERS, OFFERED, ("imap", "pop3"), tls=True) as one:
        words = ("login", "alice", "--pid", str(one.master_pid), "--password-stdin")
        right = mailauth(*words, feed=SECRET + "\n")
        assert right.returncode == 0, right.stdout
        assert f"imap {one.ports['imaps']} TLS PLAIN" in right.stdout
        assert right.stdout.endswith("\n17 yes.\n")
        assert right.stderr.startswith("17 logins as alice; at most 8 of them with a refused password, ")
        report = mailauth(*words, "--json", feed=SECRET + "\n")
        told = json.loads(report.stdout)
        jsonschema.validate(told, json.loads(SCHEMA.read_text()))
        assert (told["first"], len(told["attempts"])) == ("", 17)
        before = one.log().count("Password mismatch")
        wrong = mailauth(*words, "--refusals", "3", feed="other\n")
        assert wrong.returncode == 1
        assert "FIRST TO DISAGREE  hash\n" in wrong.stdout
        until = time.monotonic() + 60
        while one.log().count("Password mismatch") - before < 3 and time.monotonic() < until:
            time.sleep(0.01)
        assert one.log().count("Password mismatch") - before == 3  # doveadm, the auth socket, imap
        assert SECRET not in right.stdout + right.stderr + report.stdout + wrong.stdout + wrong.stderr


def test_watching_tells_changes_and_ends_at_an_interrupt(lab: Callable[..., Lab]) -> None:
    with lab(None, "passwd-file", USERS, "", ("imap",)) as one:
        words = ["login", "alice", "--pid", str(one.master_pid), "--password-stdin", "--watch", "1"]
        with subprocess.Popen(
            [sys.executable, "-m", "mailauth", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        ) as watching:
            assert watching.stdin
            assert watching.stdout
            watching.stdin.write(SECRET + "\n")
            watching.stdin.close()
            table = []
            while not (line := watching.stdout.readline()).endswith(" yes.\n"):
                table.append(line)
            one.set_password("alice", "{PLAIN}another")
            told: list[str] = []
            while not told or not told[-1].endswith("-> hash\n"):
                told.append(watching.stdout.readline().partition("  ")[2])
                assert told[-1], told
            watching.send_signal(signal.SIGINT)
            rest = watching.stdout.read()
        # In one round, or in two, where the password changed in the middle of one.
        ways = [line for line in told if ": yes -> no" in line]
        assert sorted(ways) == [
            "auth socket imap PLAIN: yes -> no\n",
            "doveadm auth test: yes -> no\n",
            "hash, offline: yes -> no\n",
            f"imap {one.ports['imap']} PLAIN: yes -> no at authentication\n",
        ]
        assert told[0] in ways
        assert all(": " in line and (" -> " in line or "the next look is in" in line) for line in told)
        assert "the next look is in" in rest or rest == ""
        assert watching.returncode == 130


def test_a_password_that_no_request_can_hold_is_not_sent() -> None:
    done = mailauth("login", "alice", "--password-stdin", feed="s" * 5000 + "\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "4096 bytes" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("alice",), "a login needs the password"),
        (("", "--password-stdin"), "the user name is empty"),
        (("ali\nce", "--password-stdin"), "a control character"),
        (("alice", "--password-stdin", "--smtp", "nowhere:port"), "--smtp nowhere:port"),
        (("alice", "--password-stdin", "--way", "smtp"), "--smtp"),
        (("alice", "--password-stdin", "--json", "--watch", "5"), "one of the two"),
        (("alice", "--password-stdin", "--from-address", "home"), "not an IP address"),
        (("alice", "--password-stdin", "-c", "/nonexistent"), "there is no such file"),
    ],
)
def test_bad_input_is_one_sentence(words: tuple[str, ...], says: str) -> None:
    done = mailauth("login", *words, feed="secret\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, which only root can")
def test_an_ordinary_user_is_told_what_could_not_be_seen(lab: Callable[..., Lab]) -> None:
    """Neither the store nor auth's socket may be opened; the logins themselves need no rights."""
    for_all_users()
    with lab(None, "passwd-file", USERS, "", ("imap",)) as one:
        one.config.chmod(0o644)
        one.settings_file.chmod(0o644)
        done = subprocess.run(
            [
                *ORDINARY,
                *(sys.executable, "-m", "mailauth", "login", "alice"),
                *("-c", str(one.config), "--password-stdin", "--json"),
            ],
            input=SECRET + "\n",
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 3, done.stderr
        answers = {each["way"]: each["answer"] for each in json.loads(done.stdout)["attempts"]}
        assert answers["hash, offline"] == answers["doveadm auth test"] == "not seen"
        assert answers[f"imap {one.ports['imap']} PLAIN"] == "yes"


def test_a_dovecot_that_goes_away_under_its_number_ends_the_watch(
    lab: Callable[..., Lab], dovecot_version: str
) -> None:
    """The one installed, and one in a root of its own: neither comes back under that number."""
    with lab(dovecot_version, "passwd-file", USERS, "", ("imap",)) as one:
        words = ["login", "alice", "--pid", str(one.master_pid), "--password-stdin", "--watch", "1"]
        with subprocess.Popen(
            [sys.executable, "-m", "mailauth", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as watching:
            assert watching.stdin
            assert watching.stdout
            assert watching.stderr
            watching.stdin.write(SECRET + "\n")
            watching.stdin.close()
            while not watching.stdout.readline().endswith(" yes.\n"):
                pass
            one.stop()
            try:
                assert watching.wait(timeout=60) in (2, 3)
            finally:
                watching.kill()
            assert "a bug" not in watching.stderr.read()


def test_a_full_disk_is_no_bug(lab: Callable[..., Lab]) -> None:
    with lab(None, "passwd-file", USERS) as one, open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "mailauth", "login", "alice", "-c", str(one.config), "--password-stdin"],
            input=SECRET + "\n",
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert done.returncode == 3
    assert done.stderr.endswith("mailauth: what was found cannot be written (No space left on device).\n")
