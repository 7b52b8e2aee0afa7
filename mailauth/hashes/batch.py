"""Many strings at once: JSON lines in, JSON lines out, in the same order, on all cores.

Bounded: a line is at most 1 MiB, a few lines a core are in flight, and nothing is kept.
A bad line gives a line with ``error``; the rest goes on. No error repeats what the line holds.
"""

import json
import multiprocessing
import os
import resource
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing.connection import wait
from typing import Any, BinaryIO, Literal, TypeVar

from mailauth import bounded
from mailauth.errors import MailauthError
from mailauth.hashes import judge, printed
from mailauth.hashes.explain import explain
from mailauth.hashes.foreign import convert
from mailauth.hashes.hash import LIMITS, Flaw, Hash, Judgement, Limits, Password
from mailauth.hashes.passport import issue
from mailauth.records import dataclass

LONGEST_LINE = 1024 * 1024
_LINES_A_TASK = 16
_TASKS_A_CORE = 4

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class BadLineError(Exception):
    """What is wrong with a line, in words that hold nothing of it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One line, read."""

    stored: bytes
    password: Password | None
    user: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What all lines of a batch have in common."""

    what: Literal["verify", "show", "convert"]
    default_scheme: str | None = None
    dovecot: tuple[int, ...] | None = None
    allow_weak: bool = False
    limits: Limits = LIMITS
    origin: str | None = None
    to: str | None = None  # other software's form is wanted, not Dovecot's
    verifier: Callable[[Hash, Password, str], Judgement] | None = None  # in place of verify_hash()


def cores() -> int:
    return len(os.sched_getaffinity(0))


def read_lines(source: BinaryIO) -> Iterator[bytes]:
    """Lines without their ends; of one that is too long only so much that it shows."""
    while line := source.readline(LONGEST_LINE + 2):
        kept = line
        while not line.endswith(b"\n") and (line := source.readline(LONGEST_LINE + 2)):
            pass
        yield kept.rstrip(b"\r\n")


def in_order(
    work: Callable[[_In], _Out], items: Iterable[_In], *, jobs: int, lost: Callable[[_In], _Out]
) -> Iterator[_Out]:
    """``work`` on each item in processes of their own; ``lost`` answers for a process that died."""
    waiting: deque[tuple[Future[_Out], _In]] = deque()
    source: Iterator[_In] = iter(items)
    while True:
        with pool(jobs) as workers:
            whole = True
            while whole:
                while len(waiting) < jobs * _TASKS_A_CORE and (item := next(source, None)) is not None:
                    try:
                        waiting.append((workers.submit(work, item), item))
                    except BrokenProcessPool:  # in this moment
                        source, whole = chain([item], source), False
                        break
                if not waiting:
                    if whole:
                        return
                    break
                future, item = waiting.popleft()
                try:
                    yield future.result()
                except BrokenProcessPool:
                    yield lost(item)
                    whole = False
        source = chain([item for _, item in waiting], source)
        waiting = deque()


def pool(jobs: int) -> ProcessPoolExecutor:
    """Processes that do not outlive the one that made them, however that ends.

    Not fork: the caller may have threads (a progress bar is one).
    """
    # What multiprocessing starts would import its own modules from the folder that we stand in first, which
    # may be any user's.  It starts them anew when they are killed, so the environment says it for good.
    os.environ["PYTHONSAFEPATH"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mailauth.hashes.batch"])
    own = (bounded.unbounded(),)
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=own)


def _begin(data: tuple[int, int]) -> None:
    """With the caller's own RLIMIT_DATA: what a hash takes is bounded elsewhere.

    A process of a pool waits for work for ever, also when nobody can send it any more.
    """
    resource.setrlimit(resource.RLIMIT_DATA, data)
    parent = multiprocessing.parent_process()
    assert parent

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(source: BinaryIO, settings: Settings, *, jobs: int) -> Iterator[bytes]:
    """One JSON line for each line of ``source``."""
    for answers in in_order(_Worker(settings), _tasks(read_lines(source)), jobs=jobs, lost=_all_lost):
        yield from answers


def _tasks(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    task: list[bytes] = []
    for line in lines:
        task.append(line)
        if len(task) == _LINES_A_TASK:
            yield task
            task = []
    if task:
        yield task


@dataclass(frozen=True, slots=True)
class _Worker:
    settings: Settings

    def __call__(self, lines: list[bytes]) -> list[bytes]:
        return [answer(line, self.settings) for line in lines]


def _all_lost(lines: list[bytes]) -> list[bytes]:
    return [
        _dump({"error": "the process that worked on this line was ended, perhaps for lack of memory"})
    ] * len(lines)


def _dump(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def answer(line: bytes, settings: Settings) -> bytes:
    """The JSON for one line. Whatever happens, it is one line."""
    try:
        return _dump(_answer(read_request(line), settings))
    except BadLineError as bad:
        return _dump({"error": str(bad)})
    except MailauthError as known:
        return _dump({"error": str(known)})
    except MemoryError:
        return _dump({"error": "out of memory"})
    except Exception as bug:  # noqa: BLE001 - the rest of the batch goes on; the class says enough
        return _dump({"error": f"a bug of mailauth's: {type(bug).__name__}"})


def _answer(request: Request, settings: Settings) -> dict[str, Any]:
    if settings.what == "convert":
        return converted(request.stored, request.password, request.user, settings)
    if settings.what == "show":
        return printed.of_explanation(
            explain(
                request.stored,
                default_scheme=settings.default_scheme,
                dovecot=settings.dovecot,
                allow_weak=settings.allow_weak,
            )
        )
    if request.password is None:
        raise BadLineError("no password")
    judgement = verify(request.stored, request.password, request.user, settings)
    return printed.of_judgement(
        judgement, judge.shown(request.stored, default_scheme=settings.default_scheme)
    )


def converted(stored: bytes, password: Password | None, user: str, settings: Settings) -> dict[str, Any]:
    """Dovecot's form of another software's string, or with ``to`` the other way, as JSON has it."""
    scheme = settings.default_scheme
    if settings.to is not None:
        found = issue(stored, settings.to, password=password, user=user, default_scheme=scheme)
        return printed.of_passport(found)
    if scheme and not stored.startswith(b"{"):
        stored = b"{%b}%b" % (scheme.encode("utf-8", "surrogateescape"), stored)
    return printed.of_found(
        convert(stored, password=password, user=user, origin=settings.origin, dovecot=settings.dovecot)
    )


def verify(stored: bytes, password: Password, user: str, settings: Settings) -> Judgement:
    parsed = judge.parse(
        stored,
        default_scheme=settings.default_scheme,
        dovecot=settings.dovecot,
        allow_weak=settings.allow_weak,
    )
    if isinstance(parsed, Flaw):
        return Judgement(parsed.verdict, parsed.reason)
    refused = judge.too_much(parsed.scheme, parsed, settings.limits)
    if refused is None and settings.verifier is not None:
        return settings.verifier(parsed, password, user)
    return refused or judge.verify_hash(parsed, password, user=user, limits=settings.limits)


def read_request(line: bytes) -> Request:
    """Raises BadLineError, in words that hold nothing of the line."""
    if len(line) > LONGEST_LINE:
        raise BadLineError(f"longer than {LONGEST_LINE} bytes")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise BadLineError("not JSON") from None
    if not isinstance(record, dict):
        raise BadLineError("not a JSON object")
    if "stored" not in record:
        raise BadLineError("no stored")
    user = record.get("user")
    if user is not None and not isinstance(user, str):
        raise BadLineError("user is not a string")
    password = record.get("password")
    return Request(
        _raw("stored", record["stored"]),
        None if password is None else Password(_raw("password", password)),
        user or "",
    )


def _raw(name: str, value: object) -> bytes:
    """The bytes of a string; "hex:" before it says that it is hex digits of raw bytes."""
    if not isinstance(value, str):
        raise BadLineError(f"{name} is not a string")
    try:
        return bytes.fromhex(value[4:]) if value.startswith("hex:") else value.encode()
    except UnicodeEncodeError:
        raise BadLineError(f"{name} is not Unicode text; write raw bytes as hex:") from None
    except ValueError:
        raise BadLineError(f"{name}: hex: must be followed by pairs of hex digits") from None
