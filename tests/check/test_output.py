"""What monitoring reads: a plugin's line, JSON by its schema, Prometheus' formats; and nothing secret."""

import importlib
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from mailauth.check.outcome import KINDS, CheckLine, CheckReport, Metric, Outcome, Status, outcome, report
from mailauth.cli.check import check
from mailauth.render.check import check_text
from mailauth.render.check_metrics import check_metrics
from tests.check.conftest import PATIENT, credentials
from tests.check.tools import tool
from tests.cli.running import ROOT, mailauth
from tests.cli.test_bad_input import as_nobody
from tests.proofs.story import SECRET

SCHEMA = ROOT / "mailauth" / "schemas" / "check.json"
# Monitoring Plugins Development Guidelines, 2.6: 'label'=value[UOM];[warn];[crit];[min];[max]
RANGE = r"@?-?[\d.]*:?-?[\d.]*"
PERFDATA = re.compile(rf"\w+=-?\d+(\.\d+)?(s|B|c|%)?(;{RANGE}){{0,2}}(;-?[\d.]*){{0,2}}")


def test_a_healthy_server_in_every_form(watched: Callable[..., Any], tmp_path: Path) -> None:
    """One lab, every form; no password in any of them, nor in what is kept."""
    with watched(None, "sqlite", protocols=("imap",), tls=True) as one:
        status, output = one.plugin("--textfile", str(tmp_path / "mailauth.prom"))
        assert status == 0, output
        first, _, perf = output.splitlines()[0].partition(" | ")
        assert first == "MAILAUTH OK - server, canary, headroom, rows, workers, failures: all well"
        assert all(PERFDATA.fullmatch(word) for word in perf.split()), perf
        assert "canary_auth_socket_imap=" in perf
        assert "|" not in "".join(output.splitlines()[1:])

        told = json.loads(one.plugin("--json")[1])
        jsonschema.validate(told, json.loads(SCHEMA.read_text()))
        assert [each["status"] for each in told["outcomes"]] == ["OK"] * 6

        written = tmp_path / "mailauth.prom"
        assert stat.S_IMODE(written.stat().st_mode) == 0o644
        assert [path.name for path in tmp_path.glob("*mailauth.prom*")] == ["mailauth.prom"]
        text = written.read_text()
        names = {family.name for family in text_string_to_metric_families(text)}
        assert {"mailauth_check_status", "mailauth_canary_up", "mailauth_headroom_bytes"} <= names
        promtool = tool("promtool")
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert one.plugin("--format", "prometheus")[1].startswith("# HELP mailauth_check_status ")
        kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
        assert kept
        assert SECRET not in kept
        assert SECRET.decode() not in f"{output}{told}{text}"


def _reported(status: Status, says: str, *names: str) -> CheckReport:
    return report((outcome(name, [CheckLine(status, says)]) for name in names), "2.4.1", 0.0)


def test_one_cause_is_told_once_and_the_line_stays_short() -> None:
    text = check_text(_reported(Status.CRITICAL, "a | b " + "x" * 900, "server", "canary"))
    first = text.splitlines()[0]
    assert first.startswith("MAILAUTH CRITICAL - server, canary: a / b xxx")
    assert len(first) < 300
    assert max(map(len, text.splitlines())) < 450


def test_what_we_may_not_see_hides_nothing_that_we_see() -> None:
    found = report([Outcome("server", Status.UNKNOWN, ""), Outcome("rows", Status.WARNING, "")], "2.4.1", 0.0)
    assert found.status is Status.WARNING
    assert _reported(Status.UNKNOWN, "", "server").status is Status.UNKNOWN
    assert [status.number for status in Status] == [0, 1, 2, 3]


def test_odd_labels_are_escaped() -> None:
    odd = Metric("canary_seconds", 0.25, "canary a'b=c", {"way": 'a"b\\c\nd'})
    found = report([Outcome("canary", Status.OK, "", [], [odd])], "2.4.1", 0.0)
    assert "canary_a_b_c=0.25s" in check_text(found)
    families = {one.name: one for one in text_string_to_metric_families(check_metrics(found))}
    assert families["mailauth_canary_seconds"].samples[0].labels == odd.labels
    assert all(kind.help.endswith(".") for kind in KINDS.values())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nosuch",), "nosuch"),
        (("--nosuch",), "No such option"),
        (("canary",), "--canary FILE"),
        (("--failures", "10", "5"), "WARNING comes first"),
        (("--headroom", "1M", "2M"), "CRITICAL is less"),
        (("--timeout", "0"), "a second at least"),
        (("--timeout", "soon"), "is not a time"),
        (("--textfile", "mailauth.txt"), "end in .prom"),
        (("--listen", "127.0.0.1:1"), "goes with serve"),
        (("--interval", "10s"), "makes no use of --interval"),
        (("--json", "--format", "prometheus"), "makes no use of --format"),
        (("serve", "--listen", "nowhere"), "HOST:PORT"),
        (("serve", "--json"), "leave out"),
        (("serve", "--interval", "0"), "5 s at the least"),
    ],
)
def test_wrong_usage_is_unknown(words: tuple[str, ...], says: str) -> None:
    """One line on standard output, where the monitoring reads it; status 3."""
    done = CliRunner().invoke(check, words)
    assert done.exit_code == 3
    assert done.stderr == ""
    assert done.stdout.startswith("MAILAUTH UNKNOWN - ")
    assert says in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_a_canary_that_others_may_read_is_not_taken(tmp_path: Path) -> None:
    path = credentials(tmp_path)
    path.chmod(0o640)
    done = mailauth("check", "canary", "--canary", str(path))
    assert (done.returncode, "chmod 600" in done.stdout) == (3, True)
    path.chmod(0o600)
    path.write_text("user = canary\n")
    done = mailauth("check", "canary", "--canary", str(path))
    assert (done.returncode, "two lines" in done.stdout) == (3, True)
    os.mkfifo(tmp_path / "pipe", 0o600)
    done = mailauth("check", "canary", "--canary", str(tmp_path / "pipe"))
    assert (done.returncode, "is not a file" in done.stdout) == (3, True)


def test_no_dovecot_is_critical(tmp_path: Path) -> None:
    """What is monitored and not there is broken: no configuration, no process, no answer of doveconf's."""
    for words in (("-c", str(tmp_path / "gone.conf")), ("--pid", "")):
        done = mailauth("check", *words, "--state", str(tmp_path / "state"))
        assert (done.returncode, done.stderr) == (2, ""), words
    os.mkfifo(tmp_path / "hangs.conf")
    done = mailauth("check", "-c", str(tmp_path / "hangs.conf"), "--timeout", "2s")
    assert done.returncode == 2
    assert "doveconf does not answer within 2 s" in done.stdout


def test_a_textfile_or_a_state_that_has_no_place(watched: Callable[..., Any], tmp_path: Path) -> None:
    """What was found is told all the same; our own mistake is UNKNOWN."""
    with watched(None, "passwd-file") as one:
        words = ("check", "server", *PATIENT[:5], "-c", str(one.lab.config), "--state")
        done = mailauth(*words, str(tmp_path), "--textfile", str(tmp_path / "none" / "x.prom"))
        assert done.returncode == 3
        assert done.stdout.startswith("MAILAUTH UNKNOWN - textfile: --textfile ")
        assert "\n[OK] server: auth greets" in done.stdout
        assert "cannot be written (No such file or directory)" in done.stderr
        (tmp_path / "file").touch()
        done = mailauth(*words, str(tmp_path / "file"))
        assert (done.returncode, "cannot be kept there (Not a directory)" in done.stdout) == (3, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_who_may_not_look_is_told_so() -> None:
    """An ordinary user before a configuration of root's, and before a folder for the state."""
    folder = Path(tempfile.mkdtemp(prefix="mailauth-test-", dir="/tmp"))  # pytest's own may not be entered
    try:
        folder.chmod(0o755)
        (folder / "dovecot.conf").touch(mode=0o600)
        importlib.import_module("mailauth.check.run")  # an ordinary user may not read our files
        importlib.import_module("mailauth.cli.check_run")
        importlib.import_module("multiprocessing.popen_fork")
        status, said = as_nobody("check", "-c", str(folder / "dovecot.conf"), "--state", str(folder))
        assert status == 3, said
        assert said.startswith("MAILAUTH UNKNOWN - server, headroom, rows, workers, failures: ")
        assert f"run: sudo mailauth check -c {folder / 'dovecot.conf'}" in said
        assert len(said.splitlines()) == len(set(said.splitlines()))
    finally:
        shutil.rmtree(folder)
