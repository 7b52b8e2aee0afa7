"""No option is ignored, typing errors get a suggestion, and a printed command finds the same case."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest

from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.cli.running import ROOT, mailauth

SECRET = "correct horse"
STORED = generate("SHA512-CRYPT", Password.of(SECRET), user="", rounds=1000)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("diagnose --all --service pop3", "diagnose --all makes no use of --service"),
        ("diagnose --all --variants 9", "diagnose --all makes no use of --variants"),
        ("diagnose --all --top 3", "diagnose --all makes no use of --top"),
        ("diagnose --all --prove", "diagnose --all makes no use of --prove"),
        ("diagnose --from-log --prove", "diagnose --from-log makes no use of --prove"),
        ("diagnose --from-log --host mail.example.org", "makes no use of --host"),
        ("diagnose --from-log --mechanism PLAIN", "makes no use of --mechanism"),
        ("diagnose --from-log --login", "makes no use of --login"),
        ("diagnose alice --since 3h", "diagnose USER makes no use of --since"),
        ("diagnose alice --top 3", "diagnose USER makes no use of --top"),
        ("diagnose alice --variants 9", "diagnose without a password makes no use of --variants"),
        ("fix MEM001 -p", "fix without a USER makes no use of --ask-password"),
        ("fix MEM001 --mechanism PLAIN", "fix without a USER makes no use of --mechanism"),
        ("fix --undo x MEM001", "fix --undo makes no use of"),
        ("fix --undo x --apply", "fix --undo makes no use of --apply"),
        ("fix --undo x --service pop3", "fix --undo makes no use of --service"),
        ("fix MEM01 alice", "did you mean MEM001?"),
        ("fix XYZ999 alice", "there is no finding XYZ999"),
        ("diagnose alice --service impa", "did you mean imap?"),
        ("diagnose alice --mechanism cram", "did you mean CRAM-MD5?"),
        ("diagnos alice", "did you mean mailauth diagnose?"),
        ("xyzzy", "mailauth --help lists the commands"),
        ("diagnose alice -c /etc", "this is a folder"),
        ("diagnose alice -p", "no terminal"),
        ("login alice -p", "no terminal"),
    ],
)
def test_refused_in_one_sentence(words: str, says: str) -> None:
    done = mailauth(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.parametrize("closed", ["out", "err", "in"])
def test_a_closed_stream_is_no_bug(closed: str) -> None:
    """What is closed stays silent; no file that is opened later takes its place."""
    number = {"in": 0, "out": 1, "err": 2}[closed]
    done = subprocess.run(
        [sys.executable, "-m", "mailauth", "explain", "MEM001"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: os.close(number),
    )
    assert done.returncode == 0
    assert "a bug" not in done.stdout + done.stderr
    assert ("MEM001" in done.stdout) is (closed != "out")


def test_the_printed_fix_finds_the_same_case(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Found for a client that uses CRAM-MD5, under a configuration of its own."""
    settings = "auth_mechanisms = plain\n"
    plain = "{PLAIN}" + SECRET
    with lab(dovecot_version, "passwd-file", {"alice": plain}, settings=settings, protocols=("imap",)) as one:
        words = ("--pid", str(one.master_pid), "--mechanism", "cram-md5")
        found = mailauth("diagnose", "alice", *words)
        assert found.returncode == 1
        assert "AUTH003" in found.stdout
        printed = re.search(r"or +mailauth (fix AUTH003 alice .*)", found.stdout)
        assert printed, found.stdout
        planned = mailauth(*shlex.split(printed[1]))
        assert planned.returncode == 0, planned.stderr
        assert "+auth_mechanisms = plain cram-md5" in planned.stdout
