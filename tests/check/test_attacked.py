"""check serve under attack: idle connections, half requests and large ones, by an ordinary user."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from resource import RLIMIT_NOFILE

import psutil
import pytest

from tests.cli.running import ROOT
from tests.listening.attacker import attacking

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
DESCRIPTORS = 256
MANY = 300


def test_nobody_keeps_prometheus_out(tmp_path: Path) -> None:
    """No thread and no descriptor for each of them, and a log that stays short."""
    words = (
        "check",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--interval",
        "300s",
        "--state",
        str(tmp_path / "state"),
    )
    serving = subprocess.Popen(
        [sys.executable, "-m", "mailauth", *words, "-c", str(tmp_path / "none.conf")],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert serving.stderr
    try:
        url = serving.stderr.readline().split(",")[0]
        port = int(url.rpartition(":")[2].partition("/")[0])
        process = psutil.Process(serving.pid)
        process.rlimit(RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        with (
            attacking("idle", port, MANY),
            attacking("half", port, MANY),
            attacking("half", port, MANY, uid=0),
        ):
            for _ in range(5):
                with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own
                    assert answer.status == 200
            assert process.num_threads() < 16
            assert process.num_fds() < 100
        large = socket.create_connection(("127.0.0.1", port), timeout=60)
        with large, suppress(ConnectionError):
            large.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 65536)
            assert b" 200 " not in large.recv(65536)
    finally:
        serving.send_signal(signal.SIGTERM)
        _, log = serving.communicate(timeout=60)
    assert serving.returncode == 0
    assert len(log.splitlines()) < 100
