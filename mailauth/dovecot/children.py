"""Ask in a child: one that has become somebody else, or nobody, and whose answer is a value.

What the child needs must be imported before: it may not read our own modules any more.
"""

import codecs
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, TypeVar

from mailauth.dovecot import answers, confining, holding
from mailauth.errors import CannotObserve, NoAnswerInTime

_T = TypeVar("_T")
# What Python loads when it is first asked for: in another root, or as another user, it cannot be read.
_CODECS = ("idna", "punycode", "ascii", "latin-1", "utf-8", "utf-16-le", "utf-8-sig", "unicode_escape")
_NO_USERS, _NOBODY = 2_000_000_000, 65534  # and up: users whom there is not
_NUMBER = 8  # bytes of one that is told
_SECONDS = 120  # of CPU, for one answer
_BLOCK = 1024 * 1024
_counting: set[int] = set()  # where children tell numbers


def prepare() -> None:
    """Load what a child may need, from where we are."""
    for name in _CODECS:
        codecs.lookup(name)
    confining.filter_of_askers()


def ask(
    work: Callable[[], object],
    form: Any,
    pid: int | None = None,
    *,
    seconds: float | None = None,
    kept: Iterable[int] = (),
) -> Any:
    """What ``work`` returns in a forked child, checked to be of the type ``form``; it dies with us.

    ``pid``: whom it enters.  ``seconds``: how long it may take, whoever it waits for: then it is killed, and
    NoAnswerInTime raised.  ``kept``: descriptors of ours that it reads; it has no others.  Its CannotObserve
    and Refused pass through; any other exception is a bug of ours, and whatever kills it is none.
    """
    prepare()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            confining.hold_only({writer, *_counting, *kept, *(holding.descriptors() if pid else ())})
            with os.fdopen(writer, "wb") as told:
                told.write(answers.of(work, pid))
        finally:
            os._exit(0)
    try:  # from here on: an interruption of what follows ends the child, too
        os.close(writer)
        data = _heard(reader, seconds)
        if len(data) > answers.MOST:
            os.kill(child, signal.SIGKILL)
    except BaseException:  # it is late, or we are interrupted, and nobody hears it any more
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    if not data and os.WIFSIGNALED(status):
        raise CannotObserve(f"the process that asks was ended from outside (signal {os.WTERMSIG(status)}).")
    kind, value = answers.read(data, form) if data else ("bug", "the child died")
    if isinstance(value, answers.AnswerWhy):
        raise value.error(kind)
    if kind == "bug":
        raise RuntimeError(f"inside process {pid}: {value}" if pid else f"in a child: {value}")
    return value


def _heard(reader: int, seconds: float | None) -> bytes:
    """What the child says until it ends, and no more than an answer may have.  Raises NoAnswerInTime."""
    until = None if seconds is None else time.monotonic() + seconds
    data, ready = bytearray(), select.poll()
    ready.register(reader, select.POLLIN)
    try:
        while len(data) <= answers.MOST:
            left = None if until is None else max(0.0, until - time.monotonic()) * 1000
            if not ready.poll(left):
                raise NoAnswerInTime(f"no answer came within {seconds:.0f} seconds.")
            part = os.read(reader, _BLOCK)
            if not part:
                break
            data += part
    finally:
        os.close(reader)
    return bytes(data)


@contextmanager
def counting(heard: Callable[[int], None] | None) -> Iterator[Callable[[int], None] | None]:
    """Yields what a child that is forked meanwhile calls with a number; ``heard`` is called with it, here."""
    if heard is None:
        yield None
        return
    reader, writer = os.pipe()

    def hear() -> None:
        with os.fdopen(reader, "rb") as numbers:
            while len(one := numbers.read(_NUMBER)) == _NUMBER:
                heard(int.from_bytes(one, "big"))

    hearing = Thread(target=hear, daemon=True)
    hearing.start()
    _counting.add(writer)
    try:
        yield lambda number: _tell(writer, number)
    finally:
        _counting.discard(writer)
        os.close(writer)
        hearing.join()


def _tell(writer: int, number: int) -> None:
    os.write(writer, number.to_bytes(_NUMBER, "big"))


def nobody(call: Callable[[], _T], form: Any, *, seconds: int = _SECONDS, kept: Iterable[int] = ()) -> _T:
    """Call it as a user whom there is not, where root asks: no files of root's, no programs, limits.

    For what hears strangers, and for what parses what they wrote.  ``seconds``: of CPU.  ``kept``: as of
    ``ask``.  Who is not root asks in this process.
    """
    if os.geteuid() != 0:
        return call()

    def work() -> object:
        confining.limit_memory(answers.MEMORY)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        _become_nobody()
        confining.write_nothing()
        confining.lessen()
        confining.die_with_parent()
        return call()

    found: _T = ask(work, form, kept=kept)
    return found


def confined(call: Callable[[], _T], form: Any, *, cpu: int, seconds: float, memory: int) -> _T:
    """Call what a stranger wrote, always in a child: nobody, where root asks; no sockets, no programs.

    It writes no file, and starts no process.  ``cpu``: seconds of it; ``seconds``: whatever it waits for;
    ``memory``: bytes.  Raises NoAnswerInTime, CannotObserve.
    """

    def work() -> object:
        confining.limit_memory(memory)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        if os.geteuid() == 0:
            _become_nobody()
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        confining.write_nothing()
        confining.lessen()
        confining.be_alone()
        confining.die_with_parent()
        os.chdir("/")
        return call()

    confining.alone()  # made before the fork
    found: _T = ask(work, form, seconds=seconds)
    return found


def _become_nobody() -> None:
    """As far as this user namespace has such a user, and we may."""
    for uid in (_NO_USERS + os.getpid(), _NOBODY):
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            return
