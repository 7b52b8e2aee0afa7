"""No secret anywhere: not in output, logs, tracebacks, nor in /proc/*/cmdline and environ of any process."""

import base64
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mailauth import diagnosing
from mailauth.diagnosing import Target, look
from mailauth.dovecot.doveadm import at_pid
from mailauth.hashes import Password
from mailauth.lab import Lab
from mailauth.render.json import report, to_json
from mailauth.render.text import diagnosis_text
from tests.cli.running import ROOT
from tests.proofs.story import MiB, argon2id

CANARY = b"canary-4f1d-Passw0rd"
STORED = argon2id(CANARY, memory=256 * MiB, salt=os.urandom(16))  # nobody else's salt
SALT, TAG = (part.encode() for part in STORED.rsplit("$", 2)[1:])
SECRETS = (CANARY, base64.b64encode(CANARY), CANARY.hex().encode(), SALT, TAG)

# Notes the argv and the environment of every process that mailauth itself starts, exactly.
HOOKED = """
import sys
def hook(event, arguments):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        with open(sys.argv[0], "a") as file:
            file.write(repr(arguments) + "\\n")
notes = sys.argv.pop(1)
sys.argv[0] = notes
sys.addaudithook(hook)
from mailauth.__main__ import main
main()
"""


class Watch(threading.Thread):
    """Reads the command line and the environment of every process, over and over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.leaks: set[str] = set()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        while not self.done.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        text = (process / name).read_bytes()
                        if name == "cmdline":
                            self.seen.add(text.split(b"\0", 1)[0])
                        if any(secret in text for secret in SECRETS):
                            self.leaks.add(f"{process}/{name}")


@contextmanager
def watching() -> Iterator[Watch]:
    watch = Watch()
    watch.start()
    try:
        yield watch
    finally:
        watch.done.set()
        watch.join()


def clean(text: str | bytes) -> bool:
    data = text.encode() if isinstance(text, str) else text
    return not any(secret in data for secret in SECRETS)


def test_a_whole_diagnosis_with_login_and_proof(
    lab: Callable[..., Lab], dovecot_version: str, store: str, tmp_path: Path
) -> None:
    """As text on one Dovecot, as JSON on the other."""
    form = ("--json",) if dovecot_version.startswith("2.4") else ()
    notes = tmp_path / "notes"
    with lab(dovecot_version, store, {"alice": STORED}) as one, watching() as watch:
        words = [
            "diagnose",
            "alice",
            "--pid",
            str(one.master_pid),
            "--password-fd",
            "0",
            "--login",
            "--prove",
        ]
        done = subprocess.run(
            [sys.executable, "-c", HOOKED, str(notes), *words, *form],
            input=CANARY + b"\n",
            capture_output=True,
            check=False,
            cwd=ROOT,
        )
        log = one.log()
    assert done.returncode == 1, done.stderr
    assert b"MEM001" in done.stdout
    assert clean(done.stdout)
    assert clean(done.stderr)
    assert clean(log)
    assert watch.leaks == set()
    assert b"dovecot/auth" in watch.seen  # it did look
    started = notes.read_text()
    assert "doveconf" in started
    assert "doveadm" in started
    assert "trial.py" in started
    assert clean(started)


def test_every_bug_in_a_probe_keeps_its_values_to_itself(
    lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception with a secret in its message becomes a place in our source, and exit status 70."""

    def broken(*_: object) -> None:
        raise RuntimeError(CANARY, STORED)

    for probe in ("observe_verifiers", "observe_trials", "observe_logins"):
        with lab(users={"alice": STORED}) as one, monkeypatch.context() as patch:
            patch.setattr(diagnosing, probe, broken)
            target = Target("alice", at_pid(one.master_pid, None), Password(CANARY), login=True)
            looked = look(target)
        shown = diagnosis_text(looked.diagnosis, "2.3")
        assert clean(shown)
        assert clean(to_json(report(looked.diagnosis, "2.3")))
        assert clean(repr(looked))
        assert any(getattr(fact, "bug", False) for fact in looked.diagnosis.evidence)
        if probe != "observe_logins":  # no rule needs a login, so nothing is undecided
            assert re.search(r"a bug in mailauth: RuntimeError at test_canary\.py:\d+", shown)


def test_no_repr_of_ours_shows_a_secret(lab: Callable[..., Lab], dovecot_version: str, store: str) -> None:
    """What a traceback or a debugger would print."""
    with lab(dovecot_version, store, {"alice": STORED}) as one:
        target = Target("alice", at_pid(one.master_pid, None), Password(CANARY))
        looked = look(target)
        assert clean(repr((target, looked, looked.config, looked.cases)))
        assert "labpw" not in repr(looked.config)


def test_temporary_files_are_not_for_others(lab: Callable[..., Lab]) -> None:
    """A lab's folder, which holds the copied row, is entered by nobody else."""
    with lab(users={"alice": STORED}, store="sqlite") as one:
        others = [
            path
            for path in one.folder.rglob("*")
            if path.is_file() and path.stat().st_mode & 0o004 and not clean(path.read_bytes())
        ]
        assert not others or not one.folder.stat().st_mode & 0o005
        assert os.access(one.folder, os.R_OK)
