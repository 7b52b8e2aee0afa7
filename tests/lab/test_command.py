"""``mailauth lab`` on the command line."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from mailauth.cli.lab import lab
from mailauth.dovecot.authsocket import AuthSocket


def test_run_says_how_to_reach_the_lab_and_sigterm_removes_it(tmp_path: Path, dovecot_version: str) -> None:
    settings = tmp_path / "extra.conf"
    settings.write_text("auth_verbose_passwords = no\n")
    users = tmp_path / "users"
    users.write_text("# comment\nbob:{PLAIN}secret\n")
    chosen = [*("--dovecot", dovecot_version, "--store", "sqlite", "--stored", "SSHA512")]
    files = [*("--users", str(users), "--settings", str(settings), "--json")]
    with start(*chosen, *files) as running:
        assert running.stdout
        reached = json.loads(running.stdout.readline())
        with AuthSocket(Path(reached["auth_socket"])) as auth:
            assert auth.plain("alice", reached["passwords"]["alice"].encode()).ok
            assert auth.plain("bob", b"secret").ok
        assert dovecot_version == reached["dovecot"]
        assert settings.read_text() == Path(reached["settings"]).read_text()
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=60) == 0
    assert not Path(reached["config"]).parent.exists()


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from mailauth.cli.lab import lab; lab()", "run", "--user", "alice", *words],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509 - as a shell's "&" does
    )


def test_sigint_ends_it_although_a_shell_had_it_ignored() -> None:
    with start("--json") as running:
        assert running.stdout
        reached = json.loads(running.stdout.readline())
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    assert not Path(reached["config"]).parent.exists()


def test_it_ends_when_nobody_reads_its_output_any_more() -> None:
    with start("--json") as running:
        assert running.stdout
        reached = json.loads(running.stdout.readline())
        running.stdout.close()
        assert running.wait(timeout=60) == 0
    assert not Path(reached["config"]).parent.exists()


def test_list_names_every_version_once() -> None:
    lines = CliRunner().invoke(lab, ["list"]).output.splitlines()
    versions = [line.split()[0] for line in lines]
    assert len(set(versions)) == len(versions) >= 5


def test_a_line_of_users_without_a_colon_is_named(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice\n")
    failed = CliRunner().invoke(lab, ["run", "--users", str(users)])
    assert f"{users}:1: write NAME:STORED." == str(failed.exception)


def test_settings_that_dovecot_refuses_are_named_as_they_were_given(tmp_path: Path) -> None:
    settings = tmp_path / "mine.conf"
    settings.write_text("no_such_setting = 1\n")
    failed = CliRunner().invoke(lab, ["run", "--user", "alice", "--settings", str(settings)])
    assert f"{settings} line 1" in str(failed.exception)


def test_a_name_that_would_break_a_line_of_a_passwd_file_is_refused() -> None:
    for name in ("a:b", "a\nb", ""):
        assert "a name is not empty" in str(CliRunner().invoke(lab, ["run", "--user", name]).exception)
