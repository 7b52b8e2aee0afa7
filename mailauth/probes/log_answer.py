"""How long auth takes to greet: it is one process, and greets nobody while it verifies a hash."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import CannotObserve
from mailauth.evidence import AuthAnswer, NotApplicable
from mailauth.probes.process import master_process
from mailauth.probes.scene import Scene

_LONGEST = 5.0
_START = 2.0  # seconds in which an auth that does not run yet starts, or does not


def observe_answer(scene: Scene) -> AuthAnswer | NotApplicable:
    """Greet auth once, and see how much of the wait it was computing."""
    path = f"{scene.config.base_dir}/auth-client"
    before = {pid: _computed(pid) for pid in _auths(scene)}
    began, hangs = time.monotonic(), ""
    try:
        with AuthSocket(scene.dovecot.path(path), timeout=_LONGEST if before else _START):
            pass
    except CannotObserve:
        if not before:  # auth does not start: other probes tell why
            return NotApplicable(AuthAnswer, "no auth process runs")
        hangs = _doing(before) if time.monotonic() - began >= _LONGEST else ""
    waited = time.monotonic() - began
    spent = [_computed(pid) - ticks for pid, ticks in before.items()]
    drivers = [passdb.driver for passdb in scene.config.passdbs if passdb.verified_by == "auth"]
    return AuthAnswer(path, waited, max(0.0, *spent) if spent else 0.0, tuple(drivers), hangs)


def _auths(scene: Scene) -> list[int]:
    master = master_process(scene.dovecot, scene.config).pid
    found = []
    try:
        for pid in map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split()):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"/auth") and b"-w" not in words:
                found.append(pid)
    except (OSError, psutil.Error):
        return found
    return found


def _doing(pids: Iterable[int]) -> str:
    """What the processes are doing, as the kernel says it."""
    found = []
    for pid in pids:
        try:
            found.append(f"process {pid} is {psutil.Process(pid).status()}")
        except psutil.Error:
            continue
    return ", ".join(found) or "its process is gone"


def _computed(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
