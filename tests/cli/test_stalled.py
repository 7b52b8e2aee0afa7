"""A FIFO, or a disk that does not answer, in the place of any file that is named: nothing waits for ever."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailauth import handed
from mailauth.cli.check_run import _why_late
from mailauth.lab import Lab
from tests.cli.running import ROOT, mailauth
from tests.conftest import missing

_MNT_DETACH = 2


def ended(*words: str, seconds: float = 60.0) -> tuple[int, str]:
    """How a command ends that nobody gives any input."""
    with subprocess.Popen(
        [sys.executable, "-m", "mailauth", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    ) as ran:
        try:
            return ran.wait(seconds), ran.stdout.read() if ran.stdout else ""
        except subprocess.TimeoutExpired:
            ran.send_signal(signal.SIGKILL)
            raise


def test_a_fifo_in_the_place_of_a_file(tmp_path: Path) -> None:
    """Who is given one to read waits for somebody who writes; who finds one where a file must be does not."""
    fifo, users = str(tmp_path / "fifo"), tmp_path / "users"
    os.mkfifo(fifo)
    users.write_text("alice:{PLAIN}secret\n")
    store = f"passwd-file:{users}"
    commands = {
        ("hash", "verify", "--batch", fifo): "nobody writes into this pipe",
        ("migrate", "import", fifo, "--url", store): "nobody writes into this pipe",
        ("migrate", "plan", "--rules", fifo, "--url", store): "nobody writes into this pipe",
        ("report", "--load", fifo, "-o", "-"): "nobody writes into this pipe",
        ("log", "--log", fifo): "this is a pipe or a device",
        ("audit", "--url", f"passwd-file:{fifo}"): "no such passwd-file",
        ("audit", "--url", f"sqlite://{fifo}"): "no regular file",
        ("migrate", "apply", "--apply", "--mend", "--url", f"passwd-file:{fifo}"): "passwd-file",
    }
    with ThreadPoolExecutor(4) as pool:
        for (words, says), (status, out) in zip(
            commands.items(), pool.map(lambda words: ended(*words), commands), strict=True
        ):
            assert says in out, words
            assert status in (2, 3), words


def test_a_pipe_that_somebody_writes_into(tmp_path: Path) -> None:
    """The shell's own, and a named one."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    line = """(sleep 0.5; echo '{"stored": "{PLAIN}a", "password": "a"}')"""
    run = f"exec {sys.executable} -m mailauth hash verify --batch"
    for script in (f"{line} > {fifo} & {run} {fifo}", f"{run} <{line}"):
        words = ["bash", "-c", script]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
        assert '"match"' in done.stdout, (script, done.stderr)


def test_nobody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handed, "_WAIT", 0.1)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="nobody writes"):
        handed.opened(tmp_path / "fifo")


def test_a_fifo_in_the_place_of_dovecots_log() -> None:
    with Lab(users={"alice": "{PLAIN}secret"}) as lab:
        log = lab.folder / "log"
        log.rename(log.with_name("log.1"))
        os.mkfifo(log)
        done = mailauth("diagnose", "alice", "-c", str(lab.config))
        assert "BLOCKS" not in done.stdout
        assert "it is no regular file" in " ".join(done.stdout.split())


@pytest.fixture
def dead(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that answers nothing, ever: nobody reads what the kernel asks of it."""
    folder = tmp_path / "dead"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        channel = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        missing("/dev/fuse cannot be opened here")
    options = f"fd={channel},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if libc.mount(b"dead", os.fsencode(folder), b"fuse", 0, options):
            missing("a file system cannot be mounted here")
        yield folder
    finally:
        libc.umount2(os.fsencode(folder), _MNT_DETACH)
        os.close(channel)


@pytest.mark.parametrize("option", ["--state", "-c"])
def test_a_disk_that_does_not_answer(dead: Path, option: str) -> None:
    """--timeout ends that, too: CRITICAL, in the form that was asked for."""
    with Lab(users={"alice": "{PLAIN}secret"}) as lab:
        config = () if option == "-c" else ("-c", str(lab.config))
        status, out = ended("check", "server", *config, "--timeout", "4s", option, str(dead / "file.prom"))
        assert status == 2, out
        assert "within 4 s" in out
        assert out.startswith("MAILAUTH CRITICAL - ")


@pytest.mark.parametrize("how", ["nobody reads", "no room", "no error stream"])
def test_a_disk_that_does_not_answer_where_nothing_can_be_told(dead: Path, how: str) -> None:
    """The status is the answer then: CRITICAL, without a traceback of the thread that says it."""
    reader, closed = os.pipe()
    os.close(reader)
    with Lab(users={"alice": "{PLAIN}secret"}) as lab, open("/dev/full", "wb") as full:  # noqa: PTH123
        words = ("check", "server", "-c", str(lab.config), "--timeout", "4s", "--state", str(dead / "file"))
        done = subprocess.run(
            [sys.executable, "-m", "mailauth", *words],
            stdout=full if how == "no room" else closed,
            stderr=closed if how == "no error stream" else subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=300,  # seconds: a busy machine
        )
    os.close(closed)
    assert (done.returncode, done.stderr or "") == (2, "")


@pytest.mark.parametrize("how", ["nobody reads", "no room"])
def test_the_status_where_nothing_can_be_told(tmp_path: Path, how: str) -> None:
    """It was 1 (a warning), or 3, of a server that is down."""
    reader, closed = os.pipe()
    os.close(reader)
    with Lab(users={"alice": "{PLAIN}secret"}) as lab, open("/dev/full", "wb") as full:  # noqa: PTH123
        lab.stop()
        words = ("check", "server", "-c", str(lab.config), "--timeout", "60s", "--state", str(tmp_path / "k"))
        done = subprocess.run(
            [sys.executable, "-m", "mailauth", *words],
            stdout=full if how == "no room" else closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
        )
    os.close(closed)
    assert (done.returncode, done.stderr) == (2, "")


def test_a_busy_machine_is_no_disk_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a load of 33 on 2 processors this said that the disk did not answer."""
    cores = len(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "getloadavg", lambda: (16.0 * cores, 0.0, 0.0))
    assert _why_late().startswith(f"this machine is too busy (a load of {16 * cores} on {cores} cores), or")
    monkeypatch.setattr(os, "getloadavg", lambda: (1.0 * cores, 0.0, 0.0))
    assert _why_late() == "the disk with a file that was named does not answer"


def test_what_was_found_is_told_where_the_textfiles_disk_does_not_answer(dead: Path) -> None:
    """UNKNOWN beside it, and no more: the checks have their answers."""
    with Lab(users={"alice": "{PLAIN}secret"}) as lab:
        words = ("check", "server", "-c", str(lab.config), "--timeout", "25s", "--json")
        status, out = ended(*words, "--textfile", str(dead / "file.prom"))
    told = {one["check"]: one for one in json.loads(out[out.index("{") :])["outcomes"]}
    assert status == 3, out
    assert told["server"]["status"] == "OK"
    assert "its disk does not answer" in told["textfile"]["says"]
