"""What mailauth started in another PID namespace ends with it, also where it is killed, as by check."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.cli.running import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root enters another's namespaces")
_LONG = "86391.5"  # seconds, which no other test sleeps
_WORK = {
    "program": f"one.execute(('sleep', '{_LONG}'), timeout=60)",
    "call": f"one.inside(lambda: time.sleep({_LONG}))",
}


@pytest.fixture
def apart() -> Iterator[int]:
    """The first process of another PID namespace."""
    words = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sleep", "600")
    with subprocess.Popen(words, cwd="/") as one:
        try:
            deadline = time.monotonic() + 60
            while not (below := psutil.Process(one.pid).children()) or below[0].name() != "sleep":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield below[0].pid
        finally:
            one.kill()


def _of(mark: str) -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if any(mark in word for word in one.cmdline()) and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


@pytest.mark.parametrize(("work", "many"), [("program", 4), ("call", 3)])
def test_nothing_is_left(apart: int, work: str, many: int) -> None:
    """One run of check in a minute left three processes each time, for as long as the container ran."""
    code = (
        "import time\nfrom mailauth.dovecot.doveadm import Installation\n"
        f"one = Installation(pid={apart})\n{_WORK[work]}"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as run:
        try:
            deadline = time.monotonic() + 60
            while len(_of(_LONG)) < many:
                assert run.poll() is None
                assert time.monotonic() < deadline, _of(_LONG)
                time.sleep(0.05)
        finally:
            run.kill()
    deadline = time.monotonic() + 30
    while left := _of(_LONG):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
