"""Whether a service runs, and answers: one that ends at once does not, whenever it is looked at."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from mailauth import looking
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.dovecot.doveadm import at_pid
from mailauth.dovecot.site import read_config
from mailauth.evidence import AuthAnswer, AuthStart, NotApplicable
from mailauth.probes import log_answer, log_start
from mailauth.probes.host import stays
from mailauth.probes.log_answer import answer_at
from mailauth.probes.process import observe_verifiers, running
from mailauth.probes.scene import Scene
from tests.proofs.story import Proof


@pytest.mark.parametrize(("seconds", "answer"), [("0.5", False), ("60", True)])
def test_a_process_that_ends_at_once_does_not_run(seconds: str, answer: bool) -> None:
    """With no memory for a start it is there for 2 to 3 ms (measured on 2.3.19.1), and may be seen."""
    with subprocess.Popen(["dovecot/auth", seconds], executable="/bin/sleep") as process:
        end = time.monotonic() + 60
        while process.pid not in running(psutil.Process(), "auth"):
            assert time.monotonic() < end
        assert stays(psutil.Process(), "auth") is answer
        process.kill()


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    """A socket at which nobody answers: so is Dovecot's while its auth does not start."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "auth"))
        listener.listen()
        yield tmp_path / "auth"


def test_an_auth_that_ends_at_once_does_not_hang(silent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_answer, "_LONGEST", 0.5)
    with subprocess.Popen(["/bin/sleep", "0.1"]) as process:
        assert isinstance(answer_at(silent, "auth", [process.pid], ()), NotApplicable)


def test_an_auth_that_is_stopped_hangs(silent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_answer, "_LONGEST", 0.5)
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        told = answer_at(silent, "auth", [process.pid], ())
        process.kill()
    assert isinstance(told, AuthAnswer)
    assert told.hangs == f"process {process.pid} is stopped"


def test_an_auth_that_has_just_begun_is_not_taken_for_a_small_one(
    proof: Callable[..., Proof], dovecot_version: str
) -> None:
    """It sleeps while it waits for its configuration, with 6 MiB of 21 to 24 (measured)."""
    lab = proof(dovecot_version, "passwd-file", {"alice": "{PLAIN}x"}).lab
    dovecot = at_pid(lab.master_pid, None)
    config = read_config(dovecot)
    at_rest = observe_verifiers(dovecot, config, config.passdbs[0], "alice").miss.size
    for _ in range(3):
        old = set(running(psutil.Process(lab.master_pid), "auth"))
        lab.run("doveadm", "reload")
        with ExitStack() as clients:
            end = time.monotonic() + 60
            while not set(running(psutil.Process(lab.master_pid), "auth")) - old:
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                with suppress(OSError):  # it is made anew
                    client.connect(str(lab.auth_socket))  # the old one may have that yet
                assert time.monotonic() < end
            seen = observe_verifiers(dovecot, config, config.passdbs[0], "alice").miss
        assert seen.size > at_rest * 3 // 4


def test_an_auth_that_starts_slowly_is_asked_again(
    proof: Callable[..., Proof], dovecot_version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle auth had ended, and the machine is busy: that none greets at once is not that none runs."""
    lab = proof(dovecot_version, "passwd-file", {"alice": "{PLAIN}x"}).lab
    dovecot = at_pid(lab.master_pid, None)
    scene = Scene(dovecot, read_config(dovecot))
    master = psutil.Process(lab.master_pid)
    monkeypatch.setattr(log_answer, "_START", 0.5)

    def when_it_started(scene: Scene) -> AuthStart | NotApplicable:
        master.resume()
        with AuthSocket(lab.auth_socket, timeout=60.0):
            return log_start.observe_auth_start(scene)

    monkeypatch.setattr(looking, "observe_auth_start", when_it_started)
    facts: looking.Facts = {}
    idle = [psutil.Process(pid) for pid in running(master, "auth")]
    try:
        master.suspend()  # it starts none in the place of those that end
        for one in idle:
            one.kill()
        end = time.monotonic() + 60
        while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in idle):
            assert time.monotonic() < end
        assert looking.auth_starts(facts, scene)
    finally:
        master.resume()
    assert facts[AuthStart] == AuthStart(f"{scene.config.base_dir}/auth-client", starts=True)
    assert isinstance(facts[AuthAnswer], AuthAnswer)
