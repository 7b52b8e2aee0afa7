"""Whether a service runs, and answers: one that ends at once does not, whenever it is looked at."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mailauth.evidence import AuthAnswer, NotApplicable
from mailauth.probes import log_answer
from mailauth.probes.host import stays
from mailauth.probes.log_answer import answer_at
from mailauth.probes.process import running


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
