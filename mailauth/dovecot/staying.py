"""A child that enters another root and stays there: what is opened in it, such as a database, stays open.

``Installation.inside`` answers one question; a migration asks for page after page of one table, and each
write must go where the page was read.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any, BinaryIO, get_type_hints

import msgspec

from mailauth.dovecot import answers, confining, entering, holding
from mailauth.errors import CannotObserve, NoAnswerInTime

_LENGTH = 8  # bytes of a message's length
_MOST_SECONDS = 7 * 24 * 3600.0  # of CPU, for one migration
_MOST_WAIT = 3600.0  # seconds for one answer: whoever is root in there can stop the child
_ENDING = 10.0  # seconds
_ENDED = "the child in the other root has ended before it answered; run it again."


class Staying:
    """``make`` is called in there, once; ``ask`` then calls what it returned, by name.

    ``protocol`` says which methods and properties there are, of what they take and of what they answer.
    What is called needs must be imported before.  Raises CannotObserve and Refused, as what is called does.
    """

    def __init__(self, pid: int, make: Callable[[], Any], protocol: type) -> None:
        holding.check(pid)
        self._protocol = protocol
        asked, self._asking = os.pipe()
        self._answers, answering = os.pipe()
        self._child = os.fork()
        if not self._child:
            confining.hold_only({asked, answering, *holding.descriptors()})
            with os.fdopen(asked, "rb") as source, os.fdopen(answering, "wb") as target:
                _serve(pid, make, protocol, source, target)
            os._exit(0)
        os.close(asked)
        os.close(answering)
        try:
            self._answer(type(None))
        except BaseException:
            self.close()
            raise

    def ask(self, name: str, **values: object) -> Any:
        """Call a method of what was made, or get one of its properties."""
        data = answers.packed(name, values)
        try:
            _send(self._asking, data)
        except OSError:
            raise CannotObserve(_ENDED) from None
        return self._answer(_forms(self._protocol, name)["return"])

    def close(self) -> None:
        """It ends as soon as it hears no more."""
        if self._child:
            os.close(self._asking)
            os.close(self._answers)
            until = time.monotonic() + _ENDING
            while os.waitpid(self._child, os.WNOHANG) == (0, 0):
                if time.monotonic() > until:
                    os.kill(self._child, signal.SIGKILL)
                    os.waitpid(self._child, 0)
                    break
                time.sleep(0.002)
            self._child = 0

    def _answer(self, form: Any) -> Any:
        ready = select.poll()
        ready.register(self._answers, select.POLLIN)
        if not ready.poll(_MOST_WAIT * 1000):
            raise NoAnswerInTime(
                f"the child in the other root did not answer within {_MOST_WAIT:.0f} seconds."
            )
        data = _received(self._answers, answers.MOST)
        if data is None:
            raise CannotObserve(_ENDED)
        kind, value = answers.read(data, form)
        if isinstance(value, answers.AnswerWhy):
            raise value.error(kind)
        if kind == "bug":
            raise RuntimeError(f"in the other root: {value}")
        return value


@cache
def _forms(protocol: type, name: str) -> dict[str, Any]:
    """What a method or property takes, by name, and what it answers: "return"."""
    member = getattr(protocol, name)
    return get_type_hints(member.fget if isinstance(member, property) else member)


def _serve(pid: int, make: Callable[[], Any], protocol: type, source: BinaryIO, target: BinaryIO) -> None:
    """In the child, until nobody asks any more."""
    made: Any = None

    def served(question: bytes) -> object:
        nonlocal made
        if made is None:
            confining.limit_memory(answers.MEMORY)
            entering.go(pid, _MOST_SECONDS, program=False)
            made = make()
            return None
        name, values = answers.unpacked(question, tuple[str, dict[str, Any]])
        forms = _forms(protocol, name)
        found = getattr(made, name)
        given = {key: msgspec.convert(value, forms[key]) for key, value in values.items()}
        return found(**given) if callable(found) else found

    with suppress(OSError):
        question: bytes | None = b""
        while question is not None:
            _send(target.fileno(), answers.of(partial(served, question), pid))
            question = _received(source.fileno(), None) if made is not None else None


def _send(descriptor: int, data: bytes) -> None:
    rest = memoryview(len(data).to_bytes(_LENGTH, "big") + data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _received(descriptor: int, most: int | None) -> bytes | None:
    """One message; None where the other side has ended.  Raises CannotObserve where it is too long."""
    head = _bytes(descriptor, _LENGTH)
    length = int.from_bytes(head, "big")
    if len(head) < _LENGTH:
        return None
    if most is not None and length > most:
        raise CannotObserve("what the child in the other root answered is too long.")
    data = _bytes(descriptor, length)
    return data if len(data) == length else None


def _bytes(descriptor: int, length: int) -> bytes:
    parts, got = [], 0
    while got < length and (part := os.read(descriptor, min(length - got, 1 << 20))):
        parts.append(part)
        got += len(part)
    return b"".join(parts)
