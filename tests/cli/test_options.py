"""No option is ignored, typing errors get a suggestion, and a printed command finds the same case."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest

from mailauth.cli.commands import COMMANDS
from mailauth.hashes import Password, generate
from mailauth.lab import Lab
from tests.cli.running import ROOT, mailauth
from tests.proofs.story import MiB, argon2id

SECRET = "correct horse"
STORED = generate("SHA512-CRYPT", Password.of(SECRET), user="", rounds=1000)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("checkup --service pop3", "No such option '--service'"),
        ("checkup --variants 9", "No such option '--variants'"),
        ("checkup --top 3", "No such option '--top'"),
        ("log --as-if 2.4.1", "No such option '--as-if'"),
        ("log --host mail.example.org", "No such option '--host'"),
        ("log --login", "No such option '--login'"),
        ("diagnose alice --since 3h", "No such option '--since'"),
        ("diagnose alice --rows-query x", "No such option '--rows-query'"),
        ("diagnose", "mailauth checkup"),
        (
            "diagnose alice --variants 9",
            "--variants needs the password: add -p, --password-fd",
        ),
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
    assert len(done.stderr.splitlines()) <= 4  # Click adds how it is used


DEARER = {"hash", "migrate", "lab", "report"}  # options that are of a scheme, a store, a limit
DEAR = (
    "sqlite3",
    "ctypes",
    "psutil",
    "psycopg",
    "pymysql",
    "cryptography",
    "rich",
    "jinja2",
    "mailauth.rules",
)


def test_help_loads_no_more_than_options() -> None:
    """A shell completes a line with them; what a command works with is loaded when it works."""
    cheap = [place.partition(":")[0] for name, place, _ in COMMANDS if name not in DEARER]
    code = f"import sys, {', '.join(cheap)}\nprint([one for one in {DEAR} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


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


def test_the_old_spellings_go_on_working(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """Diagnose --all and --from-log: the same on standard output, and one line that says the new spelling."""
    with lab(dovecot_version, "passwd-file", {"alice": STORED[:60]}) as one:
        assert not one.login("alice", SECRET.encode()).ok
        which = ("--pid", str(one.master_pid), "--json")
        for old, new in (("--all", "checkup"), ("--from-log", "log")):
            was, now = mailauth("diagnose", *which, old), mailauth(new, *which)
            assert (was.returncode, json.loads(was.stdout).keys()) == (1, json.loads(now.stdout).keys())
            assert was.stderr == f"mailauth: diagnose {old} is a command of its own now: mailauth {new}\n"
            assert (now.returncode, now.stderr) == (1, "")
    assert mailauth("diagnose", "--", "--all").stderr.count("of its own") == 0, "this is a user's name"


@pytest.mark.dovecot("< 2.4")
def test_the_fix_that_a_checkup_prints_finds_it_too(lab: Callable[..., Lab], dovecot_version: str) -> None:
    """With the options that name this Dovecot."""
    with lab(dovecot_version, "passwd-file", {"alice": argon2id(memory=256 * MiB)}) as one:
        found = mailauth("checkup", "--pid", str(one.master_pid))
        printed = re.search(r"or +mailauth (fix \S+ --pid \d+)", found.stdout)
        assert printed, found.stdout
        planned = mailauth(*shlex.split(printed[1]))
        assert planned.returncode == 0, planned.stderr
