"""``mailauth report`` as a person runs it: the file, its rights, what is and what is not in it."""

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.lab import Lab
from tests.cli.running import ROOT, mailauth
from tests.cli.test_canary import CANARY, SECRETS, STORED
from tests.report.conftest import GOOD, HOSTILE, USERS


def text_of(page: str) -> str:
    """What a reader reads."""
    body = page[page.index("<body>") :]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", body)))


def test_no_secret_is_in_it(
    lab: Callable[..., Lab], dovecot_version: str, tmp_path: Path, load_file: Callable[[str], Path]
) -> None:
    """Not the user's password or hash, not the database's password; nobody else can read it."""
    file = tmp_path / "r.html"
    with lab(dovecot_version, "pgsql", {"alice": STORED, **USERS}) as one:
        words = ["--pid", str(one.master_pid), "-o", str(file), "--load", str(load_file(""))]
        done = mailauth("report", "alice", "--password-stdin", *words, feed=CANARY + b"\n")
        database = one.store.place.password
    assert done.returncode == 1, done.stderr
    assert done.stdout == f"{file}: {found(file.read_text())} findings.\n"
    written = file.read_bytes()
    assert b"MEM001" in written
    assert b"STORE001" in written
    assert b"480 requests a second" in written
    for secret in (*SECRETS, GOOD[-43:].encode(), database.encode()):
        assert secret not in written + done.stdout.encode() + done.stderr.encode()
    assert file.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["load.json", "r.html"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def found(page: str) -> int:
    return page.count('<article class="finding blocks') + sum(
        page.count(f'<article class="finding {level}"') for level in ("risk", "note")
    )


def test_anonymous_names_nobody(
    lab: Callable[..., Lab], tmp_path: Path, load_file: Callable[[str], Path]
) -> None:
    """Nor a host; and users who are called like words of the report do not break it."""
    file = tmp_path / "r.html"
    odd = dict.fromkeys(("sound", "fits", "risk", "blocks login", "no", "zoe@mail.example.com"), GOOD[:50])
    with lab(None, "sqlite", {**USERS, **odd}) as one:
        version = one.version
        for _ in range(2):
            one.login("mallory@attacker.example", b"x", address="198.51.100.7")
        done = mailauth(
            "report", "alice@example.org", "--anonymous", "--pid", str(one.master_pid), "-o", str(file),
            "--load", str(load_file("sent from 2001:db8::17 and 192.0.2.55 to host.example.net at 18:04:05")),
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    page = file.read_text()
    hidden = (
        *("alice", "bob", "owned", "onload", "zoe", "mallory"),
        *("example.org", "example.com", "example.net", "attacker", "198.51.100", "192.0.2", "2001:db8"),
    )
    assert [name for name in hidden if name in page] == []
    assert os.uname().nodename not in re.findall(r"[\w.-]+", text_of(page))
    assert "MEM001" in page
    shown = text_of(page)
    assert re.search(r"with the user user-\d+@host-\d+", shown)
    sent = re.search(r"sent from (address-\d+) and (address-\d+) to host-\d+ at 18:04:05", shown)
    assert sent
    assert sent[1] != sent[2]
    assert f"Dovecot {version}," in shown
    assert "dovecot.conf" in shown


def test_names_are_text_and_not_markup(lab: Callable[..., Lab], tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    with lab(None, "sqlite", USERS) as one:
        mailauth("report", HOSTILE, "--pid", str(one.master_pid), "-o", str(file))
    page = file.read_text()
    assert "<script" not in page
    assert html.escape(HOSTILE, quote=False).replace("'", "&#39;") in page
    assert "\u202e" not in page
    assert r"\u202egpj.exe" in page
    assert not re.search(r"<[a-z][^>]* on[a-z]+=", page)
    assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"']?(?:https?:|//)", page)


def test_a_file_that_is_there_stays(lab: Callable[..., Lab], tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    file.write_text("mine")
    file.chmod(0o644)
    with lab(None, "passwd-file", {"alice": GOOD}) as one:
        pid = ("--pid", str(one.master_pid))
        done = mailauth("report", *pid, "-o", str(file))
        assert done.returncode == 2
        assert "exists already; give --force" in done.stderr
        assert file.read_text() == "mine"
        done = mailauth("report", *pid, "-o", str(file), "--force")
        assert done.returncode == 0, done.stderr
        assert file.read_text().startswith("<!DOCTYPE html>")
        assert file.stat().st_mode & 0o777 == 0o600
        piped = mailauth("report", *pid, "-o", "-")
    assert piped.stdout.startswith("<!DOCTYPE html>")
    assert "Nothing found by the rules" in piped.stdout
    assert piped.stderr == "Looking at the server and its stores.\n"
    assert names(tmp_path) == ["r.html"]


# Dovecot's programs are there, and cannot be run.
HIDING = """
mount --bind /dev/null "$(command -v doveconf)" && mount --bind /dev/null "$(command -v doveadm)" && exec "$@"
"""


def test_what_cannot_be_seen_is_said_in_it(tmp_path: Path, load_file: Callable[[str], Path]) -> None:
    """Without a Dovecot there is a report all the same, here with a load."""
    file = tmp_path / "r.html"
    words = ["report", "alice", "-o", str(file), "--load", str(load_file("a <b>note</b>"))]
    hidden = ["unshare", "--map-root-user", "--mount", "sh", "-c", HIDING, "sh"]
    done = subprocess.run(
        [*hidden, sys.executable, "-m", "mailauth", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 3, done.stderr
    page = file.read_text()
    assert page.count("Not looked at:") == 2
    assert "Nothing found" not in page
    assert "a &lt;b&gt;note&lt;/b&gt;" in page


def test_a_configuration_that_dovecot_refuses_is_a_finding(lab: Callable[..., Lab], tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    with lab(None, "passwd-file", {"alice": GOOD}) as one:
        one.configure("no_such_setting = <b>one</b>\n")
        done = mailauth("report", "-c", str(one.config), "-o", str(file))
    assert done.returncode == 1, done.stderr
    page = file.read_text()
    assert "CONF0" in page
    assert "Dovecot refuses its configuration: see the findings." in page
    assert "<b>one</b>" not in page


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "/no/such/folder/r.html"], "there is no such folder"),
        (["-o", "/dev/null", "--force"], "is not a file"),
        (["-o", "/proc/r.html", "-c", "/etc/passwd"], "cannot be written|doveconf|Dovecot"),
        (["--password-stdin"], "a password is for a USER"),
        (["-o", "FOLDER/r.html", "--load", "/etc/passwd"], "is not the result of mailauth load --json"),
        (["-o", "FOLDER/r.html", "-c", "/no/such.conf"], "there is no such file"),
    ],
)
def test_wrong_usage_is_one_sentence(words: list[str], says: str, tmp_path: Path) -> None:
    done = mailauth("report", *(word.replace("FOLDER", str(tmp_path)) for word in words))
    assert done.returncode == 2, done.stderr
    last = [line for line in done.stderr.splitlines() if not line.startswith("Looking at")]
    assert re.search(says, last[0])
    assert len(last) == 1
    assert names(tmp_path) == []
