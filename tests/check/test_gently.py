"""What is checked is not harmed: a refused canary is left alone, a large store is seldom counted."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from mailauth.check import canary, keep, kept_counts
from mailauth.check.bounded import run_all
from mailauth.check.credentials import read_credentials
from mailauth.check.outcome import Status
from mailauth.clients.door import Door
from tests.check.conftest import CANARY, PATIENT, Watched, credentials
from tests.cli.running import ROOT
from tests.proofs.story import SECRET, MiB, argon2id

Make = Callable[..., Any]
OTHER = argon2id(b"another", memory=1 * MiB)


def attempts(one: Watched) -> int:
    """Refused logins of the canary's that Dovecot has logged."""
    return len(re.findall(r"canary.*assword mismatch", one.lab.log()))


def test_a_refused_canary_is_tried_once_and_then_left_alone(watched: Make, dovecot_version: str) -> None:
    with watched(dovecot_version, "sqlite", protocols=("imap", "pop3")) as one:
        one.asked = replace(one.asked, pause=300.0)
        one.lab.set_password("canary", OTHER)
        for _ in range(3):
            found = one.one("canary")
            assert found.status is Status.CRITICAL
        assert "not again for" in found.says
        assert one.lab.logs("assword mismatch")
        assert attempts(one) == 1  # not even by each way
        # Another password in the file is another question.
        one.lab.set_password("canary", CANARY)
        assert one.one("canary").status is Status.CRITICAL
        (one.folder / "canary").unlink()
        one.asked = replace(one.asked, canary=read_credentials(credentials(one.folder, SECRET)))
        assert one.one("canary").status is Status.OK
        assert attempts(one) == 1
        # Nor is it left alone until a clock that was set back comes there again.
        kept = canary.KeptLogin(one.asked.canary.version, "canary", time.time() + 3600.0, "refused")
        keep.save(next(one.asked.state.iterdir()) / "canary.json", kept)
        assert one.one("canary").status is Status.OK


def test_the_canary_goes_by_every_way(watched: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each port once, a Postfix's where we may start one; where time runs out, that is told."""
    protocols = ("imap", "pop3", "submission", "sieve")
    with watched(None, "passwd-file", protocols=protocols, tls=True, postfix=os.geteuid() == 0) as one:
        ports = one.lab.ports
        doors = [Door("smtp", "127.0.0.1", ports["smtp"], "starttls")] if "smtp" in ports else []
        found = one.one("canary", smtp=tuple(doors))
        assert found.status is Status.OK, found
        up = [each.labels["way"] for each in found.metrics if each.name == "canary_up"]
        own = [("imap", "imap"), ("pop3", "pop3"), ("submission", "submission"), ("sieve", "sieve")]
        own += [(f"{name}s", name) for name in protocols if name != "sieve"]
        wanted = {f"{name} {ports[key]} {'TLS' if key[-1] == 's' else 'STARTTLS'}" for key, name in own}
        wanted |= {f"smtp {door.port} STARTTLS" for door in doors}
        assert set(up) == {"auth socket imap", *wanted}
        # As if the next login might take a million times as long as the one before.
        monkeypatch.setattr(canary, "_SURELY", 1e6)
        slow = one.one("canary")
        assert slow.status is Status.WARNING, slow
        assert "was not tried" in slow.says


def test_a_count_is_kept_and_one_that_was_cut_off_is_not_begun_again(watched: Make) -> None:
    with watched(None, "sqlite") as one:
        one.asked = replace(one.asked, survey_age=3600.0, timeout=20.0)
        assert one.one("rows").status is Status.OK
        place = next(one.asked.state.rglob("survey.json"))
        kept = keep.load(place, kept_counts.KeptSurvey)
        assert kept
        # As if it had taken twenty seconds, more than an hour for a thousandth of the time.
        slow = replace(kept, seconds=20.0)
        keep.save(place, slow)
        one.lab.set_password("large", "{NOSUCH}x")
        assert one.one("rows").status is Status.OK
        assert keep.load(place, kept_counts.KeptSurvey) == slow
        # Whose count it is that is said to fit: never one of now.
        keep.save(place, replace(slow, began=slow.began - 600.0))
        [line] = one.one("headroom").said
        assert re.search(r"to spare beyond the largest.* \(of the rows counted 1\d min ago\)$", line.text)
        # A store like that is not begun with twenty seconds before us, even when it is due.
        keep.save(place, replace(slow, began=slow.began - 5000.0))
        assert one.one("rows").status is Status.OK
        keep.save(place, replace(slow, began=slow.began - 8000.0))
        late = one.one("rows")
        assert late.status is Status.WARNING
        assert "last counted 2.2 h ago" in late.says
        assert one.one("headroom").says == late.says
        assert one.one("rows", timeout=60.0).status is Status.CRITICAL
        # What was cut off is told, and waited with.
        place.unlink()
        keep.save(place.with_name("survey-attempt.json"), replace(kept, began=time.time() - 60))
        for check in ("rows", "headroom"):
            cut = one.one(check)
            assert cut.status is Status.WARNING
            assert "were not counted within" in cut.says
        assert one.one("rows", survey_age=30.0).status is Status.CRITICAL
        assert kept_counts._load(place, "another configuration") is None


def test_another_configuration_is_counted_anew(watched: Make, dovecot_version: str) -> None:
    """The default scheme decides what a row is: a count of before says nothing of now."""
    with watched(dovecot_version, "sqlite", users={"bare": "in the clear"}) as one:
        one.asked = replace(one.asked, survey_age=3600.0)
        before = one.one("rows").status
        if dovecot_version > "2.4":  # where PLAIN is the default
            one.lab.configure("passdb_default_password_scheme = SHA512-CRYPT\n")
        else:
            path = one.lab.folder / "dovecot-sql.conf.ext"
            path.write_text(path.read_text() + "default_pass_scheme = PLAIN\n")
        one.lab.reload()
        assert {before, one.one("rows").status} == {Status.OK, Status.CRITICAL}


def test_however_often_it_is_scraped_the_canary_logs_in_once(watched: Make, tmp_path: Path) -> None:
    with watched(None, "passwd-file", settings="auth_debug = yes\n") as one:
        words = ["check", "serve", "--listen", "127.0.0.1:0", "--interval", "300s", "-c", str(one.lab.config)]
        state = ["--state", str(one.asked.state), "--canary", str(tmp_path / "canary"), *PATIENT]
        serving = subprocess.Popen(
            [sys.executable, "-m", "mailauth", *words, *state], stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        try:
            assert serving.stderr
            url = serving.stderr.readline().split(",")[0]
            text = ""
            until = time.monotonic() + 60
            while "mailauth_check_status" not in text and time.monotonic() < until:
                text = _scraped(url)
            texts = [_scraped(url) for _ in range(20)]
            assert set(texts) == {text}
            parsed = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
            families = {family.name: family for family in parsed}
            assert {sample.value for sample in families["mailauth_check_status"].samples} == {0.0}
            assert families["mailauth_auth_failures"].type == "counter"
            assert one.lab.logs("client passdb out: OK")
            assert one.lab.log().count("client passdb out: OK") == 1
            looker = psutil.Process(serving.pid).children()
        finally:
            serving.send_signal(signal.SIGTERM)
            _, said = serving.communicate(timeout=60)
        assert (serving.returncode, said) == (0, "")
        assert not [process for process in looker if process.is_running()]


def _scraped(url: str) -> str:
    """As Prometheus asks, for OpenMetrics."""
    asked = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})  # noqa: S310
    with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - our own, on the loopback
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        text = answer.read().decode()
    assert text.endswith("# EOF\n")
    return str(text)


def test_what_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    """And what it had to say until then is kept; a bug is told by its place."""
    note = tmp_path / "pid"

    def hangs(so_far: Callable[[str], None]) -> str:
        child = subprocess.Popen(["/bin/sleep", "600"])
        note.write_text(str(child.pid))
        so_far("half")
        time.sleep(600)
        return ""

    def breaks(_: Callable[[str], None]) -> str:
        raise ValueError("a secret")

    ended = run_all({"hangs": hangs, "breaks": breaks, "well": lambda _: "done"}, 15.0)
    assert ended["well"].answer == "done"
    assert (ended["hangs"].answer, ended["hangs"].provisional) == (None, "half")
    assert ended["breaks"].bug.startswith("ValueError at test_gently.py:")
    pid = int(note.read_text())
    until = time.monotonic() + 60
    while psutil.pid_exists(pid) and time.monotonic() < until:
        with suppress(psutil.Error):
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                break
        time.sleep(0.01)
    else:
        assert not psutil.pid_exists(pid)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """A reader of the old one goes on reading it; a folder that cannot be written is said to be so."""
    path = tmp_path / "mailauth.prom"
    keep.replace_whole(path, b"old", 0o644)
    with path.open("rb") as reader:
        keep.replace_whole(path, b"new", 0o600)
        assert (reader.read(), path.read_bytes()) == (b"old", b"new")
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["mailauth.prom"]  # noqa: PTH208 - hidden files, too
