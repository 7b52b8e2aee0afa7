"""What a child that entered another root answers: JSON, bounded, and of the form that was asked for.

The child may have met a library or a file of that root's owner; whatever it writes is a value, or no answer.
"""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from mailauth.errors import CannotObserve, Refused
from mailauth.oserrors import unseen
from mailauth.records import dataclass

PLAIN = None | bool | int | float | str  # what is answered where no other form is asked for
MOST = 64 * 1024 * 1024  # bytes of one answer
MEMORY = 512 * 1024 * 1024  # bytes that a child may take for what it asks and is answered
_VALUES = 4_000_000  # of one answer: each takes up to 90 bytes here, and may have been written in three
_DIGITS = 20  # of a number: those of 64 bits
_TOO_MUCH = f"what was answered takes more than {MEMORY // 1024**2} MiB of memory; it was not looked at."


@dataclass(frozen=True, slots=True)
class AnswerWhy:
    """An error of ours, as a value."""

    reason: str
    needs_root: bool = False
    needs_option: bool = False

    def error(self, kind: str) -> CannotObserve | Refused:
        """The same error, here."""
        made = Refused if kind == "refused" else CannotObserve
        return made(self.reason, needs_root=self.needs_root, needs_option=self.needs_option)


_FORMS = {"cannot": AnswerWhy, "refused": AnswerWhy, "bug": str}


def _of_error(why: CannotObserve | Refused) -> bytes:
    kind = "refused" if isinstance(why, Refused) else "cannot"
    return packed(kind, AnswerWhy(why.reason, why.needs_root, why.needs_option))


def of(work: Callable[[], object], pid: int | None) -> bytes:
    """In the child: what ``work`` returns, or why it does not; nothing escapes.  ``pid``: who is entered."""
    try:
        return packed("ok", work())
    except (CannotObserve, Refused) as why:
        return _of_error(why)
    except OSError as why:
        return _of_error(unseen(f"process {pid}", why, "cannot be entered"))
    except MemoryError:
        return packed("cannot", AnswerWhy(_TOO_MUCH))
    except BaseException as bug:  # noqa: BLE001 - nothing may escape from the child
        return packed("bug", type(bug).__name__)


def packed(kind: str, value: object) -> bytes:
    """One message.  Surrogates, which bytes that are no UTF-8 become in names, are kept by JSON's escapes."""
    return json.dumps((kind, msgspec.to_builtins(value)), separators=(",", ":")).encode()


def read(data: bytes, form: Any) -> tuple[str, Any]:
    """An answer; its value has the type ``form``, each field of it checked.

    Raises CannotObserve for whatever is not: another type, another field, too deep, too many, too long.
    """
    try:
        few = len(data) <= MOST and sum(map(data.count, (b",", b"[", b"{"))) <= _VALUES
        kind, value = unpacked(data, tuple[str, Any]) if few else ("", None)
        if kind == "ok" or kind in _FORMS:
            return kind, msgspec.convert(value, form if kind == "ok" else _FORMS[kind])
    except Exception:  # noqa: BLE001, S110 - whatever is made of it, MemoryError and RecursionError too
        pass
    raise CannotObserve("the child process in the other root sent an answer that mailauth cannot read.")


def unpacked(data: bytes, form: Any) -> Any:
    """A message's value.  Raises ValueError, and RecursionError where it is too deep."""
    value = json.loads(data, parse_int=_whole, parse_float=_float, parse_constant=_constant)
    return msgspec.convert(value, form)


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _constant(_: str) -> NoReturn:
    """NaN and its like."""
    raise ValueError
