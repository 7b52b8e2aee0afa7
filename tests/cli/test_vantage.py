"""What can be seen from where one stands: an ordinary user, no credentials, no /proc, a container.

What cannot be seen is said in one sentence, with the command that shows it; nothing wrong is found.
"""

import imaplib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import psutil
import pytest
from argon2.low_level import Type, hash_secret

import mailauth
from mailauth.lab import Lab, builds

PACKAGE = Path(mailauth.__file__).parent
SITE = Path(click.__file__).parent.parent
NOBODY = 65534
SECRET = b"correct horse"
STORED = "{ARGON2ID}" + hash_secret(SECRET, b"0123456789abcdef", 1, 8 * 1024, 1, 32, Type.ID).decode()
NO_RIGHTS = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
WIDEST = 100
# A reason names the command that shows more.
COMMAND = re.compile(r"\b(?:run: sudo|docker|doveadm|journalctl|pgrep|mailauth diagnose)\b|--from-address")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="to become an ordinary user, one must be root")
OldProc = pytest.mark.skipif(
    tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) < (5, 8),
    reason="before Linux 5.8 hidepid is the same for all mounts of /proc",
)


@pytest.fixture(scope="module")
def python() -> Iterator[tuple[str, dict[str, str]]]:
    """An interpreter and an environment in which an ordinary user can run mailauth."""
    here = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{PACKAGE.parent}:{SITE}",
    }
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    with tempfile.TemporaryDirectory() as folder:
        for one in (sys.executable, f"/usr/bin/{name}"):
            if _runs(one, here):
                yield one, here
                return
        Path(folder).chmod(0o755)
        unfinished = shutil.ignore_patterns("*.pyc.*")  # byte code that is just being written
        shutil.copytree(PACKAGE, Path(folder) / "mailauth", ignore=unfinished)
        shutil.copytree(SITE, Path(folder) / "site", ignore=unfinished)
        copied = here | {"PYTHONPATH": f"{folder}:{folder}/site"}
        for one in (sys.executable, f"/usr/bin/{name}"):
            if _runs(one, copied):
                yield one, copied
                return
        pytest.skip("there is no Python of this version that an ordinary user may run")


def _runs(interpreter: str, environment: dict[str, str]) -> bool:
    with suppress(OSError):
        # not NO_RIGHTS: setpriv(1) keeps root's capabilities until it has found the program
        done = subprocess.run(
            [interpreter, "-c", "import mailauth.diagnosing, click, psycopg, msgspec"],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            env=environment,
            cwd="/",
            capture_output=True,
            check=False,
        )
        return not done.returncode
    return False


Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def ask(python: tuple[str, dict[str, str]]) -> Ask:
    """``ask("diagnose", "alice", ..., by=NO_RIGHTS)`` runs mailauth behind those words."""
    interpreter, environment = python

    def run(*words: str, by: tuple[str, ...] = NO_RIGHTS) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*by, interpreter, "-m", "mailauth", *words],
            input=SECRET.decode() + "\n" if "--password-stdin" in words else "",
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


def opened(lab: Lab, *, but: tuple[Path, ...] = ()) -> None:
    """Let everybody read what the lab has written, but for some of it."""
    for path in (lab.folder, *lab.folder.rglob("*")):
        if not path.is_symlink() and (path.is_dir() or path.is_file()):
            mode = 0o755 if path.is_dir() else 0o644
            path.chmod(mode & 0o700 if path in but else mode)


def reported(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON of a diagnosis that kept the rules: no bug, and every reason a sentence with a command."""
    assert done.returncode in (1, 3), done.stderr
    assert not done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    for one in report["undecided"]:
        check_reason(one["reason"])
    return report


def check_reason(reason: str) -> None:
    assert "a bug" not in reason
    assert "Traceback" not in reason
    assert "\n" not in reason
    assert reason.endswith("."), reason
    assert ". " not in reason, reason
    assert COMMAND.search(reason), reason


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 3, done.stdout + done.stderr
    assert not done.stdout
    assert len(done.stderr.splitlines()) == 1
    check_reason(done.stderr.strip().removeprefix("mailauth: "))
    return done.stderr


def found(report: dict[str, Any]) -> set[str]:
    return {one["code"] for one in report["findings"]}


def undecided(report: dict[str, Any]) -> set[str]:
    return {one["code"] for one in report["undecided"]}


@pytest.fixture(scope="module")
def old() -> Iterator[Lab]:
    """A Dovecot of root's that is no chroot's, with a store that only Dovecot may read."""
    if builds.available("2.3.19.1") is None:
        pytest.skip("Dovecot 2.3.19.1 is not here")
    with Lab("2.3.19.1", "sqlite", {"alice": STORED}, protocols=("imap",)) as lab:
        if lab.build.root:
            pytest.skip("Dovecot 2.3.19.1 is not the one installed")
        lab.login("alice", SECRET)
        yield lab


def test_a_configuration_that_may_not_be_read(old: Lab, ask: Ask) -> None:
    opened(old, but=(old.config,))
    for command, *words in (("diagnose", "alice"), ("diagnose", "alice", "--json"), ("checkup",), ("log",)):
        asked = (command, "-c", str(old.config), *words)
        said = one_sentence(ask(*asked))
        assert f"{old.config}: cannot be read (Permission denied)" in said
        assert f"run: sudo mailauth {' '.join(asked)}." in said


@pytest.mark.parametrize("word", ["!include", "!include_try"])
def test_a_part_of_the_configuration_that_may_not_be_read(old: Lab, ask: Ask, word: str) -> None:
    """Dovecot reads it, as root: what doveconf says to us is of another configuration."""
    part = old.folder / "part.conf"
    part.write_text("auth_username_format = %Lu\n")
    opened(old, but=(part,))
    before = old.settings_file.stat()
    old.configure(f"{word} {part}\n")
    try:
        assert str(part) in one_sentence(ask("diagnose", "-c", str(old.config), "alice"))
    finally:
        old.configure("")
        os.utime(old.settings_file, ns=(before.st_atime_ns, before.st_mtime_ns))
        part.unlink()


def test_a_store_that_may_not_be_read(old: Lab, ask: Ask) -> None:
    """Dovecot can; so it is no finding.  What was seen all the same is decided."""
    store = old.folder / "sqlite"
    opened(old, but=(store, old.folder / "dovecot-sql.conf.ext"))
    report = reported(ask("diagnose", "-c", str(old.config), "alice", "--json"))
    assert not found(report)
    assert {"MEM001", "HASH001", "USER001", "DB001", "LOG005"} <= undecided(report)
    assert not {"CONF018", "CONF019", "AUTH006", "NET001"} & undecided(report)
    (old.folder / "dovecot-sql.conf.ext").chmod(0o644)
    report = reported(ask("diagnose", "-c", str(old.config), "alice", "--json"))
    assert found(report) <= {"CONF013"}  # the SQL file is open to all, in this test
    assert any("Dovecot asks as another user; run: sudo" in one["reason"] for one in report["undecided"])
    report = reported(ask("checkup", "-c", str(old.config), "--json"))
    assert found(report) <= {"CONF013"}
    assert "STORE001" in undecided(report)


@pytest.mark.parametrize("words", [(), ("--password-stdin",), ("--password-stdin", "--login")])
def test_a_closed_run_folder(old: Lab, ask: Ask, words: tuple[str, ...]) -> None:
    """base_dir may not be entered: nothing of the processes and sockets is seen, and nothing is claimed."""
    run = old.folder / "run"
    opened(old, but=(run, old.folder / "sqlite", old.folder / "dovecot-sql.conf.ext"))
    try:
        report = reported(ask("diagnose", "-c", str(old.config), "alice", *words, "--json"))
        done = ask("diagnose", "-c", str(old.config), "alice", *words)
    finally:
        opened(old)
    assert not found(report)
    assert {"NET001", "MEM001", "CONF016", "CONF018", "AUTH006", "AUTH010"} <= undecided(report)
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    assert all(len(line) <= WIDEST for line in lines if not line.startswith("  run "))
    assert f"  run    sudo mailauth diagnose -c {old.config} alice" in lines
    assert "\033" not in done.stdout


def hiding(how: str) -> tuple[str, ...]:
    """Words that hide others' processes from what is run behind them, and from nobody else."""
    return (
        "unshare",
        "--mount",
        "sh",
        "-c",
        f'mount -t proc -o {how} proc /proc && exec "$@"',
        "sh",
        *NO_RIGHTS,
    )


@OldProc
@pytest.mark.parametrize("how", ["hidepid=1", "hidepid=2"])
def test_processes_are_hidden(old: Lab, ask: Ask, how: str) -> None:
    opened(old)
    report = reported(ask("diagnose", "-c", str(old.config), "alice", "--json", by=hiding(how)))
    assert not found(report) - {"CONF013"}
    assert {"MEM001", "CONF018", "NET001"} <= undecided(report)
    assert any("hidepid" in one["reason"] for one in report["undecided"])
    assert "hidepid" not in Path("/proc/mounts").read_text()


def test_dovecot_is_in_another_pid_namespace(old: Lab, ask: Ask) -> None:
    """Its sockets answer, but /proc is not that of its processes: it is not said that it does not run."""
    opened(old)
    apart = ("unshare", "--pid", "--fork", "--mount-proc")
    for words in ((), ("--password-stdin", "--login")):
        report = reported(ask("diagnose", "-c", str(old.config), "alice", "--json", *words, by=apart))
        assert not found(report) - {"CONF013"}
        # A login that worked decides both.
        assert {"MEM001", "CONF018"} & undecided(report) == (set() if words else {"MEM001", "CONF018"})
        assert any("docker exec" in one["reason"] for one in report["undecided"])


def test_dovecot_is_in_a_container(old: Lab, ask: Ask) -> None:
    """In its own mounts, processes and network: asked from outside with --pid, and from within."""
    opened(old, but=(old.folder / "sqlite", old.folder / "dovecot-sql.conf.ext"))
    old.stop()
    if not (ip := shutil.which("ip")):
        pytest.skip("ip(8) is not here, to switch the loopback device on")
    apart = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "--")
    script = f'{ip} link set lo up && exec dovecot -F -c "$1"'
    with started([*apart, "sh", "-c", script, "sh", str(old.config)], old) as master:
        outside = ask("diagnose", "--pid", str(master), "alice", "--password-stdin", "--login", by=())
        assert outside.returncode == 0, outside.stdout + outside.stderr
        said = one_sentence(ask("diagnose", "--pid", str(master), "alice"))
        assert f"run: sudo mailauth diagnose --pid {master} alice." in said
        enter = ("nsenter", "--target", str(master), "--mount", "--pid", "--net", "--")
        within = ask("diagnose", "-c", str(old.config), "alice", "--password-stdin", "--login", by=enter)
        assert within.returncode == 0, within.stdout + within.stderr
        ordinary = ask("diagnose", "-c", str(old.config), "alice", "--json", by=(*enter, *NO_RIGHTS))
        assert not found(reported(ordinary))
    old._start()


@contextmanager
def started(argv: list[str], lab: Lab) -> Iterator[int]:
    """Dovecot behind some words, until the end of the with; its master's PID."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as runner:
        outer = psutil.Process(runner.pid)
        try:
            deadline = time.monotonic() + 60
            while not lab.auth_socket.exists() or not outer.children():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield outer.children()[0].pid
        finally:
            for master in outer.children():
                master.terminate()  # and it ends in its own time, with its PID file removed


@pytest.mark.parametrize("dovecot", ["2.3.19.1", "2.4.1"])
def test_a_log_without_reasons(dovecot: str, ask: Ask) -> None:
    """With auth_verbose = no the login processes alone log a failure, and nobody logs why."""
    if builds.available(dovecot) is None:
        pytest.skip(f"Dovecot {dovecot} is not here")
    with Lab(dovecot, "passwd-file", {"alice": STORED}, "auth_verbose = no\n", protocols=("imap",)) as lab:
        place = ("--pid", str(lab.master_pid)) if lab.build.root else ("-c", str(lab.config))
        quiet = ask("diagnose", *place, "alice", "--password-stdin", by=())
        assert quiet.returncode == 0, quiet.stdout
        for _ in range(3):
            with imaplib.IMAP4("127.0.0.1", lab.ports["imap"]) as imap, suppress(imaplib.IMAP4.error):
                imap.login("alice", "wrong")
        assert lab.logs("auth failed", times=3)
        report = reported(ask("diagnose", *place, "alice", "--password-stdin", "--json", by=()))
        assert undecided(report) == {"PASS007"}
        assert "auth_verbose = no" in report["undecided"][0]["reason"]
        done = ask("diagnose", *place, "alice", by=())
        assert "failed logins of this user: the log does not say why (3 times)" in " ".join(
            done.stdout.split()
        )
        assert "set auth_verbose = yes" in ask("log", *place, by=()).stdout


def test_dovecot_is_in_a_chroot(ask: Ask) -> None:
    """2.4 in a root of its own, asked by root and by somebody who may not look into it."""
    build = builds.available("2.4.1")
    if build is None or build.root is None:
        pytest.skip("Dovecot 2.4.1 is not here, or is the one installed")
    with Lab("2.4.1", "passwd-file", {"alice": STORED}, protocols=("imap",)) as lab:
        done = ask("diagnose", "--pid", str(lab.master_pid), "alice", "--password-stdin", "--login", by=())
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(done.stdout.splitlines()) <= 40
        opened(lab)
        for words in (("diagnose", "alice"), ("checkup",), ("log",)):
            one_sentence(ask(*words, "--pid", str(lab.master_pid)))
