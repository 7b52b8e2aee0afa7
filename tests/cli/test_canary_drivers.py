"""No secret of the other drivers: bind password, client secret, token, the string that a script returns."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailauth.lab import KINDS, Lab
from tests.cli import test_canary
from tests.cli.running import ROOT
from tests.cli.test_canary import HOOKED, clean, watching
from tests.lab.test_stores import ACCOUNTS, hashed

DRIVERS = ("ldap", "ldap-bind", "pam", "lua", "dict", "checkpassword", "imap", "oauth2")
COMMANDS = (
    ("diagnose", "alice", "--password-fd", "0", "--login"),
    ("checkup", "--json"),
)


@pytest.mark.parametrize("kind", DRIVERS)
def test_nothing_of_a_store_is_shown(
    lab: Callable[..., Lab],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    dovecot_version: str,
    kind: str,
) -> None:
    """With a wrong password, of which servers and scripts have the most to say."""
    if KINDS[kind].last == "2.3" and dovecot_version.startswith("2.4"):
        pytest.skip(f"2.4 has no passdb {kind}")
    if os.geteuid() != 0 and kind in ACCOUNTS:
        pytest.skip("accounts need root")
    wrong, right = secrets.token_hex(12), secrets.token_hex(12)
    stored = right if kind == "oauth2" else hashed(right.encode())
    with lab(dovecot_version, kind, {"alice": stored}) as one:
        place = getattr(one.store, "place", None)
        hidden = [wrong, right, stored.rpartition("$")[2], *([place.password] if place else [])]
        if kind == "oauth2":
            hidden.append("of-the-lab")  # the client's secret
        if kind == "checkpassword":  # the lab's program hands it to "doveadm pw -t", as an argument
            hidden.remove(stored.rpartition("$")[2])
        monkeypatch.setattr(test_canary, "SECRETS", tuple(one.encode() for one in hidden if one))
        at = ("--pid", str(one.master_pid))
        notes = tmp_path / "notes"
        with watching() as watch:
            token = (("diagnose", "alice", "--mechanism", "xoauth2", "--password-fd", "0"),)
            for words in (*COMMANDS, *(token if kind == "oauth2" else ())):
                done = subprocess.run(
                    [sys.executable, "-c", HOOKED, str(notes), *words, *at],
                    input=wrong.encode() + b"\n",
                    capture_output=True,
                    check=False,
                    cwd=ROOT,
                )
                assert done.returncode in (0, 1, 3), done.stderr
                assert clean(done.stdout), words
                assert clean(done.stderr), words
        assert clean(notes.read_text())
        assert watch.leaks == set()
