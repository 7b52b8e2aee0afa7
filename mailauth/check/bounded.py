"""Run calls in processes of their own, all at once, and wait no longer than was said.

Whatever hangs (a stopped server, a file on a dead disk) hangs in a child, which is killed with all that it
started.  A child dies with its parent.
"""

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar, cast

from mailauth.oserrors import place_of
from mailauth.records import dataclass

_PR_SET_PDEATHSIG = 1
_DYING = 0.2  # seconds
_fork = multiprocessing.get_context("fork")

_T = TypeVar("_T")
Provisional = Callable[[_T], None]
Call = Callable[[Provisional[_T]], _T]


@dataclass(frozen=True, slots=True)
class Ended(Generic[_T]):
    """How a call ended: its answer; or None: it is late, or there is a bug of ours at ``bug``.

    ``provisional``: the last that it had to say until then.
    """

    answer: _T | None
    provisional: _T | None
    bug: str
    seconds: float


def run_all(calls: Mapping[str, Call[_T]], seconds: float) -> dict[str, Ended[_T]]:
    """The answers, by name.  A call is given a function with which it tells a provisional answer."""
    began = time.monotonic()
    children = {name: _start(call) for name, call in calls.items()}
    found: dict[str, Ended[_T]] = {}
    provisional: dict[str, _T] = {}
    try:
        while waiting := {reader: name for name, (_, reader) in children.items() if name not in found}:
            left = began + seconds - time.monotonic()
            ready = wait(list(waiting), max(left, 0.0))
            for reader in ready:
                assert isinstance(reader, Connection)
                name = waiting[reader]
                kind, value = cast(tuple[str, _T], _received(reader))
                if kind == "provisional":
                    provisional[name] = value
                    continue
                took = time.monotonic() - began
                answer = value if kind == "answer" else None
                found[name] = Ended(
                    answer, provisional.get(name), "" if kind == "answer" else str(value), took
                )
            if not ready and left <= 0:
                for name in waiting.values():
                    found[name] = Ended(None, provisional.get(name), "", time.monotonic() - began)
    finally:
        for process, reader in children.values():
            _end(process, reader)
    return {name: found[name] for name in calls}


def _start(call: Call[_T]) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    reader, writer = _fork.Pipe(duplex=False)
    process = _fork.Process(target=_child, args=(call, writer, os.getpid()), daemon=True)
    process.start()
    with suppress(OSError):  # it does so itself, too: whoever comes first
        os.setpgid(process.pid or 0, process.pid or 0)
    writer.close()
    return process, reader


def die_with(parent: int) -> None:
    """Be killed when the process that started this one ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _child(call: Call[_T], writer: Connection, parent: int) -> None:
    with suppress(OSError):
        os.setpgid(0, 0)
    die_with(parent)
    try:
        writer.send(("answer", call(lambda value: writer.send(("provisional", value)))))
    except Exception as bug:  # noqa: BLE001 - one broken check must not silence the rest
        writer.send(("bug", f"{type(bug).__name__} at {place_of(bug)}"))


def _received(reader: Connection) -> object:
    try:
        return reader.recv()
    except EOFError:
        return "died", "a check died"


def _end(process: multiprocessing.process.BaseProcess, reader: Connection) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join(_DYING)  # one that waits for a dead disk ends when that answers, if ever
    reader.close()
