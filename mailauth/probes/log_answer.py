"""How long auth takes to greet: it is one process, and greets nobody while it verifies a hash."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from mailauth.dovecot import processes
from mailauth.dovecot.authsocket import AuthSocket
from mailauth.errors import CannotObserve
from mailauth.evidence import AuthAnswer, NotApplicable
from mailauth.evidence.log import NO_AUTH
from mailauth.probes.process import master_process
from mailauth.probes.scene import Scene

_LONGEST = 5.0
_START = 2.0  # seconds in which an auth that does not run yet starts, or does not
_AT_WORK = 0.5  # seconds of the processor's, of those that it did not greet in: it is no more idle


def observe_answer(scene: Scene) -> AuthAnswer | NotApplicable:
    """Greet auth once, and see how much of the wait it was computing."""
    path = f"{scene.config.base_dir}/auth-client"
    drivers = tuple(passdb.driver for passdb in scene.config.passdbs if passdb.verified_by == "auth")
    return answer_at(scene.dovecot.path(path), path, _auths(scene), drivers)


def answer_at(
    socket: Path, shown_as: str, pids: Sequence[int], drivers: tuple[str, ...]
) -> AuthAnswer | NotApplicable:
    """What the auth processes ``pids`` do until one greets.

    Raises CannotObserve where none did, and one waited for the processor: then the machine is busy, not auth.
    """
    before = {pid: _computed(pid) for pid in pids}
    began, hangs = time.monotonic(), ""
    doing: dict[int, str] = {}
    try:
        with AuthSocket(socket, timeout=_LONGEST if before else _START):
            pass
    except CannotObserve:
        doing = _doing(pids)
        if not doing:  # auth does not start, and was there for a moment at most: other probes tell why
            return NotApplicable(AuthAnswer, NO_AUTH)
        if time.monotonic() - began >= _LONGEST:
            hangs = ", ".join(f"process {pid} is {status}" for pid, status in doing.items())
    waited = time.monotonic() - began
    spent = max((_computed(pid) - ticks for pid, ticks in before.items()), default=0.0)
    if hangs and spent < _AT_WORK and psutil.STATUS_RUNNING in doing.values():
        raise CannotObserve(
            f"{shown_as}: auth did not greet within {_LONGEST:.0f} s, and waits for the processor like"
            " others on this machine; look again when there is less to do."
        )
    return AuthAnswer(shown_as, waited, max(0.0, spent), drivers, hangs)


def _auths(scene: Scene) -> list[int]:
    master = master_process(scene.dovecot, scene.config).pid
    found = []
    for pid in _children(master):
        with suppress(OSError):  # that one ended while we looked
            words = processes.command(pid)
            if words[0].endswith(b"/auth") and b"-w" not in words:
                found.append(pid)
    return found


def _children(master: int) -> list[int]:
    with suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]
    return []


def _doing(pids: Sequence[int]) -> dict[int, str]:
    """What those processes do that are still there, as the kernel says it."""
    found = {}
    for pid in pids:
        try:
            found[pid] = psutil.Process(pid).status()
        except psutil.Error:
            continue
    return {pid: status for pid, status in found.items() if status != psutil.STATUS_ZOMBIE}


def _computed(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    try:
        fields = processes.stat(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
