"""Bad input: one sentence, the documented exit status, nothing lost."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from mailauth.cli.main import cli, run
from mailauth.lab import Lab, MariaDB, Postgres, builds
from mailauth.lab.databases import Server
from tests.cli.running import ROOT, mailauth
from tests.conftest import missing
from tests.proofs.story import MiB, argon2id

GOOD = argon2id(memory=19 * MiB)
HERE = builds.installed()
# What a configuration of the Dovecot installed must begin with
HEADER = (
    f"dovecot_config_version = {HERE.version}\ndovecot_storage_version = {HERE.version}"
    if HERE and HERE.version.dialect == "2.4"
    else ""
)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user, or hide a program")
ONE_MEGABYTE = "{ARGON2ID}$argon2id$v=19$m=" + "9" * 1_000_000


@pytest.fixture(scope="module")
def bench() -> Iterator[Lab]:
    """A lab for questions that break nothing."""
    users = {"alice": GOOD, "null": None, "empty": "", "bare": "{ARGON2ID}", "huge": ONE_MEGABYTE}
    with Lab(store="sqlite", users=users) as lab:
        yield lab


def one_sentence(text: str) -> bool:
    lines = text.strip().splitlines()
    return len(lines) == 1 and lines[0].startswith("mailauth: ") and "Traceback" not in text


def undecided(text: str) -> set[str]:
    return {
        code
        for line in text.splitlines()
        if line.startswith("UNDECIDED")
        for code in line.removeprefix("UNDECIDED").replace(",", " ").split()
    }


def test_no_such_configuration() -> None:
    done = mailauth("diagnose", "alice", "-c", "/nonexistent/dovecot.conf")
    assert done.returncode == 2
    assert done.stderr == (
        "mailauth: /nonexistent/dovecot.conf: there is no such file;"
        " give Dovecot's main configuration file.\n"
    )


def test_an_error_in_the_configuration_in_dovecots_own_words(tmp_path: Path) -> None:
    config = tmp_path / "dovecot.conf"
    first = [HEADER] if HEADER else []
    config.write_text("\n".join([*first, "no_such_setting = 1\n"]))
    done = mailauth("diagnose", "alice", "-c", str(config))
    assert (done.returncode, done.stderr) == (1, "")
    assert "  CONF019  " in done.stdout
    assert "no_such_setting" in done.stdout
    assert f"{config}:{3 if HEADER else 1}" in done.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("alice", "--login"), "--login needs the password"),
        (("alice", "--pid", "1073741824"), "there is no such process"),
        (("alice", "--pid", str(os.getpid())), "not a Dovecot master process"),
        (("",), "name the user"),
        (("alice", "--password-fd", "99"), "--password-fd 99: cannot be read"),
        (("alice", "-p", "--password-stdin"), "give the password in one way only"),
        (("alice", "--password-stdin"), "nothing was there to read"),
        (("alice", "--from-address", "somewhere"), "this is not an IP address"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], sentence: str) -> None:
    done = mailauth("diagnose", *words)
    assert done.returncode == 2
    assert one_sentence(done.stderr), done.stderr
    assert sentence in done.stderr


@pytest.mark.parametrize("words", [("nonsense",), ("diagnose", "a", "b"), ("diagnose", "--x")])
def test_usage_errors_of_the_command_line(words: tuple[str, ...]) -> None:
    done = mailauth(*words)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("diagnos", "alice"), "mailauth diagnose"),
        (("help", "hash", "new"), "mailauth hash new --help"),
        (("memory", "fitt"), "mailauth memory fit"),
        (("hash", "verfy"), "verify"),
        (("migrate", "on-login", "enabel"), "enable"),
        (("diagnose", "alice", "--pasword-fd", "3"), "--password-fd"),
    ],
    ids=str,
)
def test_a_typing_error_gets_a_suggestion(words: tuple[str, ...], meant: str) -> None:
    done = mailauth(*words)
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert "did you mean" in last.casefold()
    assert meant in last


def test_a_code_that_is_none() -> None:
    done = mailauth("explain", "MEM999")
    assert (done.returncode, done.stdout) == (2, "")
    assert one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("user", "status", "codes"),
    [
        ("alice", 0, []),
        ("nobody", 1, ["USER001"]),
        ("null", 1, ["USER002"]),
        ("bare", 1, ["HASH029"]),
        ("huge", 1, ["HASH005"]),
        ("o'hara", 1, ["USER003"]),
        ("per%cent", 1, ["USER003"]),
        ("two\nlines", 1, ["USER003"]),
        ("'; DROP TABLE users; --", 1, ["USER003"]),
    ],
)
def test_odd_rows_and_odd_names(bench: Lab, user: str, status: int, codes: list[str]) -> None:
    done = mailauth("diagnose", user, "-c", str(bench.config))
    assert done.stderr == ""
    assert done.returncode == status
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("BLOCKS")] == codes
    assert len(done.stdout) < 4000


def test_an_empty_string_in_the_store(bench: Lab) -> None:
    """Nothing is stored; and to 2.4.0-2.4.2's PLAIN that is the empty password, which Dovecot takes."""
    done = mailauth("diagnose", "empty", "-c", str(bench.config))
    assert done.returncode == 1
    assert ("HASH025" in done.stdout) == bench.login("empty", b"").ok
    assert "HASH029" in done.stdout


def test_a_hash_too_costly_to_verify(bench: Lab) -> None:
    """It is not obeyed blindly, and not passed over: the password is undecided."""
    bench.set_password("costly", "{BLF-CRYPT}$2y$31$OrlNTlTkc8yLzsG6prknyOrhZDTljHA6YrjrLDnZaZDaXnNlvKlcG")
    done = mailauth("diagnose", "costly", "-c", str(bench.config), "--password-stdin", feed="secret\n")
    assert done.returncode == 1
    assert "HASH034" in done.stdout
    assert "PASS001" in undecided(done.stdout)
    assert "the password was not verified" in done.stdout


def test_dovecot_is_not_running(bench: Lab) -> None:
    """That is found; what needs the process is undecided."""
    bench.stop()
    try:
        done = mailauth("diagnose", "alice", "-c", str(bench.config))
    finally:
        bench.restart()
    assert done.returncode == 1
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("BLOCKS")] == ["CONF018"]
    assert undecided(done.stdout) >= {"MEM001", "MEM002", "MEM003"}
    assert "Dovecot is not running" in done.stdout


@pytest.mark.parametrize("server", [Postgres, MariaDB])
def test_the_database_is_down(server: type[Server], dovecot_version: str) -> None:
    store = "pgsql" if server is Postgres else "mysql"
    with server() as database, Lab(dovecot_version, store, {"alice": GOOD}, database=database) as lab:
        database.close()
        done = mailauth("diagnose", "alice", "--pid", str(lab.master_pid))
    assert done.returncode == 1
    assert done.stderr == ""
    assert "BLOCKS LOGIN  DB001" in done.stdout.replace("blocks", "BLOCKS").replace("login", "LOGIN")
    assert "ECONNREFUSED" in done.stdout


@ROOT_ONLY
def test_an_ordinary_user_before_an_unreadable_store() -> None:
    """The file is named, with the reason; nothing is claimed."""
    folder = Path("/tmp") / f"mailauth-test-{os.getpid()}"  # noqa: S108 - pytest's own may not be entered
    folder.mkdir(mode=0o755)
    try:
        users = folder / "users"
        users.write_text(f"alice:{GOOD}\n")
        users.chmod(0o600)
        config = folder / "dovecot.conf"
        config.write_text(installed_with(users, folder / "run"))
        status, said = as_nobody("diagnose", "alice", "-c", str(config))
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    assert status == 1, said
    assert {line.split()[2] for line in said.splitlines() if line.startswith("BLOCKS")} == {
        "CONF012",
        "CONF018",
    }
    assert f"{users} cannot be read" in " ".join(said.split())
    assert undecided(said) >= {"MEM001", "HASH001"}


def installed_with(users: Path, base_dir: Path) -> str:
    """A configuration of a passwd-file for the Dovecot that is installed."""
    here = builds.installed()
    assert here
    rest = f"base_dir = {base_dir}\nprotocols =\n"
    if here.version.dialect == "2.3":
        return f"{rest}passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n"
    begin = f"dovecot_config_version = {here.version}\ndovecot_storage_version = {here.version}\n"
    return f"{begin}{rest}passdb passwd-file {{\n  passwd_file_path = {users}\n}}\n"


def as_nobody(*words: str) -> tuple[int, str]:
    """The command line in a child that is an ordinary user; imported before, as our files are root's."""
    importlib.import_module("mailauth.cli.diagnose_run")
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        sys.argv = ["mailauth", *words]
        status = 99
        try:
            run()
        except SystemExit as done:
            status = int(done.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    _, code = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(code), said


@ROOT_ONLY
def test_no_dovecot_installed() -> None:
    """Said in one sentence; what needs no Dovecot works."""
    hide = 'for p in doveconf doveadm; do mount --bind /dev/null /usr/bin/$p; done; exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", hide, "sh", sys.executable, "-m", "mailauth"]

    def run(*more: str, feed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*words, *more], input=feed, capture_output=True, check=False, cwd=ROOT)

    done = run("diagnose", "alice")
    assert done.returncode == 3
    assert done.stderr.decode() == (
        "mailauth: Dovecot is not installed in this machine: there is no doveconf;"
        " install dovecot-core or name a running Dovecot with --pid or --container.\n"
    )
    assert run("explain", "MEM001").returncode == 0
    shown = run("hash", "show", GOOD)
    assert shown.returncode == 0, shown.stderr
    assert b"19" in shown.stdout
    assert run("memory", "show", GOOD).returncode == 0


def test_an_interrupt_ends_it_at_once(bench: Lab) -> None:
    """Ctrl-C in the middle of a long verification: no traceback, status 130."""
    bench.set_password("slow", argon2id(memory=512 * MiB, time=1).replace("t=1", "t=150"))
    bench.configure("default_vsz_limit = 2G\n")
    bench.reload()
    words = [
        sys.executable,
        "-m",
        "mailauth",
        "diagnose",
        "slow",
        "-c",
        str(bench.config),
        "--password-stdin",
        "--max-seconds",
        "300",
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin
        process.stdin.write(b"wrong\n")
        process.stdin.flush()
        while psutil.Process(process.pid).memory_info().rss < 256 * MiB:  # it has half of what it needs
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert err.decode().strip() == "mailauth: interrupted."


def test_help_of_every_command() -> None:
    for command in ("diagnose", "explain", "hash", "lab", "demo"):
        done = mailauth(command, "--help")
        assert done.returncode == 0, done.stderr
        assert "Usage: mailauth" in done.stdout


def test_the_top_level_help_is_the_same_by_both_ways() -> None:
    """The quick one, and Click's; without a word what is on this machine is said, and where the help is."""
    assert mailauth().stdout.endswith("All commands: mailauth --help\n")
    assert CliRunner().invoke(cli, ["--help"]).output == mailauth("--help").stdout


def test_the_package_version() -> None:
    assert mailauth("--version").stdout.startswith("mailauth 0.")


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"\0\xff")])
def test_a_configuration_that_is_none(tmp_path: Path, make: Callable[[Path], object]) -> None:
    config = tmp_path / "dovecot.conf"
    make(config)
    done = mailauth("diagnose", "alice", "-c", str(config))
    assert done.returncode in (1, 2, 3)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["diagnose"], ["fix", "HASH005"], ["report"]], ids=" ".join)
def test_a_name_that_is_no_text(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mailauth", *words, b"al\xffce"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"is not UTF-8; give the name as clients send it." in done.stderr


OTHER = {
    "2.3": "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n"
    "passdb passwd-file {\n  passwd_file_path = /nowhere\n}\n",
    "2.4": "disable_plaintext_auth = no\npassdb {\n  driver = passwd-file\n  args = /nowhere\n}\n",
}


@pytest.mark.parametrize("command", ["audit", "memory fit", "migrate plan --prefix", "log"])
def test_a_file_of_the_other_dialect(command: str, tmp_path: Path) -> None:
    """One sentence: Dovecot's words, whose file it is, and what to do."""
    if HERE is None:
        missing("no Dovecot is installed")
    assert HERE
    ours, theirs = HERE.version.dialect, "2.3" if HERE.version.dialect == "2.4" else "2.4"
    path = tmp_path / "other.conf"
    path.write_text(OTHER[ours])
    done = mailauth(*command.split(), "-c", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Dovecot {HERE.version} does not accept {path}" in done.stderr
    assert f"This file is written for Dovecot {theirs}: name the Dovecot that runs with it" in done.stderr
    assert done.stderr.endswith(f"what {ours} wants instead: mailauth checkup -c {path}\n")
    assert len(done.stderr.splitlines()) == 1
    path.write_text(f"{HEADER}\nno_such_setting = yes\n")
    done = mailauth(*command.split(), "-c", str(path))
    assert (done.returncode, "written for" in done.stderr) == (2, False)
    assert "no_such_setting" in done.stderr
