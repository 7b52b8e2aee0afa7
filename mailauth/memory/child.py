"""Try a verification in a child that has just the room that Dovecot's process has."""

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from mailauth import private
from mailauth.dovecot import confining, inroot
from mailauth.errors import CannotObserve
from mailauth.hashes import Memory, Password, Verdict
from mailauth.hashes.allowance import here
from mailauth.hashes.hash import Library
from mailauth.oserrors import unseen
from mailauth.records import dataclass

_SCRIPT = Path(__file__).with_name("trial.py")
_NOT_STARTED = 127  # by the dynamic linker: a library of the interpreter's is not found
_MMAP_THRESHOLD = 128 * 1024  # glibc's M_MMAP_THRESHOLD: malloc maps what is as large
LIBRARIES: dict[Library, tuple[str, ...]] = {
    "libsodium": ("libsodium.so.23", "libsodium.so.26"),
    "libcrypt": ("libcrypt.so.1", "libcrypt.so.2"),
}


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What the child saw: the verdict, the seconds it took, and the library that did it."""

    verdict: Verdict
    seconds: float
    library: str


def trial(
    kind: Library,
    stored: bytes,
    password: Password,
    memory: Memory,
    *,
    room: int | None,
    later: bool,
    library: str | None = None,
    timeout: float = 60.0,
) -> TrialResult:
    """Verify ``stored`` (without its {SCHEME}) with ``room`` bytes of address space left.

    ``later`` lives as a process after its first verification, whose heap already holds the index
    array; otherwise as a new one.  ``room`` None: no limit.  The verdict is MATCH, MISMATCH or
    OUT_OF_MEMORY; only the first two need the right password to be distinguished.

    Raises CannotObserve when the library is not there, the machine has not the memory to try
    without a limit, or ``timeout`` (seconds) runs out.
    """
    allowance = here()
    if room is None or memory.total <= room:
        check_physical(memory.total, "not tried")
        if memory.total > allowance.limits.memory:
            raise CannotObserve(
                f"the hash takes {memory.total / 2**20:.0f} MiB, more than the"
                f" {allowance.limits.memory / 2**20:.0f} MiB allowed here{allowance.more}: not tried."
            )
    for name in (library, *LIBRARIES[kind]):
        if name is None or _of_others(name):
            continue
        request = _request(kind, stored, password, memory, room=room, later=later)
        try:
            opened = _opened(name)
        except OSError:  # that process may not read it by now, or has ended
            continue
        with opened as file:
            request["library"] = f"/proc/self/fd/{file.fileno()}" if file else name
            with allowance.counted():
                handed = (file.fileno(),) if file else ()
                most = min(timeout, max(1.0, allowance.total - allowance.spent))
                answer = ask(_SCRIPT, request, "the verification", most, handed)
        if "error" in answer:
            continue
        if answer["matched"]:
            verdict = Verdict.MATCH
        elif int(answer["rose"]) < memory.blocks:
            verdict = Verdict.OUT_OF_MEMORY
        else:
            verdict = Verdict.MISMATCH
        return TrialResult(verdict, float(answer["seconds"]), name)
    raise CannotObserve(f"{kind} is not installed here, so the verification cannot be tried.")


def _request(
    kind: Library, stored: bytes, password: Password, memory: Memory, *, room: int | None, later: bool
) -> dict[str, object]:
    """What the child is asked, but for the library."""
    return {
        "kind": kind,
        "filter": base64.b64encode(confining.alone()).decode(),
        "stored": base64.b64encode(stored).decode(),
        "password": base64.b64encode(password.text).decode(),
        "room": None if room is None else max(room, 0),
        "heap": 0 if memory.index and not later else max(memory.index, _MMAP_THRESHOLD),
    }


def _of_others(name: str) -> bool:
    """Whether others than root or us could have put the library there: they would get the password."""
    return "/" in name and not name.startswith("/proc/") and not private.trusted(Path(name))


def _opened(name: str) -> AbstractContextManager[BinaryIO | None]:
    """A library of another root, which the child is handed: it may not look there itself.  Raises OSError."""
    return inroot.opened(Path(name)) if name.startswith("/proc/") else nullcontext()


def ask(
    script: Path, request: Mapping[str, object], what: str, timeout: float, handed: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Run one of our scripts in a child: one JSON line in, one out, nothing in argv or the environment.

    Raises CannotObserve, which says ``what``, when ``timeout`` (seconds) runs out or memory does.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(script)],
            input=json.dumps(request).encode() + b"\n",
            capture_output=True,
            timeout=timeout,
            check=False,
            env={},
            pass_fds=handed,
        )
    except subprocess.TimeoutExpired:
        raise CannotObserve(f"{what} was given up after {timeout:.0f} seconds.") from None
    except OSError as why:
        raise unseen(f"{what} in a child", why, f"{sys.executable} cannot be run") from None
    if done.returncode == -signal.SIGKILL:
        raise CannotObserve(f"{what} was killed by the kernel: the machine has not that much memory.")
    if done.returncode == _NOT_STARTED:
        said = done.stderr[-200:].decode("utf-8", "replace").strip()
        raise CannotObserve(f"{what} was not tried: {sys.executable} does not start in a child ({said}).")
    if done.returncode or not done.stdout:
        # Our own script failed; its traceback holds no value, only lines of the script.
        raise RuntimeError(f"{script.name} ended with {done.returncode}: {done.stderr[-500:].decode()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def check_physical(need: int, left: str) -> None:
    """Refuse to take most of the machine's memory: it may be in production.  ``left``: "not tried"."""
    available = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
    if need > available * 3 // 4:
        raise CannotObserve(
            f"the hash takes {need // 2**20} MiB and {available // 2**20} MiB are free: {left}."
        )
