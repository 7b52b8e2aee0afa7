"""What a child that entered another root answers: read as values of ours, and as nothing else.

The child may have met a library or a file of that root's owner; whatever it writes is not run here.
"""

import dataclasses
import enum
import io
import ipaddress
import pickle
import sys
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from mailauth.errors import CannotObserve, Refused, unseen

KINDS = ("ok", "cannot", "refused", "bug")
MOST = 64 * 1024 * 1024  # bytes of one answer
MEMORY = 512 * 1024 * 1024  # bytes that a child may take for what it asks and is answered
_TOO_MUCH = f"what was answered takes more than {MEMORY // 1024**2} MiB of memory; it was not looked at."


def _member(kind: object, name: object) -> enum.Enum:
    if isinstance(kind, type) and issubclass(kind, enum.Enum) and isinstance(name, str):
        return kind.__members__[name]
    raise pickle.UnpicklingError("no enumeration")


_PLAIN: dict[tuple[str, str], object] = {
    ("builtins", "getattr"): _member,  # how Python 3.11 to 3.11.3 write a member of an enumeration
    **{("builtins", one.__name__): one for one in (set, frozenset)},
    **{
        ("ipaddress", one.__name__): one
        for one in (
            *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
        )
    },
}


def of(work: Callable[[], object], pid: int | None) -> tuple[str, object]:
    """In the child: what ``work`` returns, or why it does not; nothing escapes.  ``pid``: who is entered."""
    try:
        return "ok", work()
    except (CannotObserve, Refused) as why:
        return "refused" if isinstance(why, Refused) else "cannot", str(why)
    except OSError as why:
        return "cannot", str(unseen(f"process {pid}", why, "cannot be entered"))
    except MemoryError:
        return "cannot", _TOO_MUCH
    except BaseException as bug:  # noqa: BLE001 - nothing may escape from the child
        return "bug", type(bug).__name__


def write(answer: object, stream: BinaryIO) -> None:
    pickle.dump(answer, stream)


def packed(answer: object) -> bytes:
    """The same, as one message of several."""
    return pickle.dumps(answer)


def read(data: bytes) -> tuple[str, object]:
    """Raises CannotObserve for anything but values: plain ones, our dataclasses and enumerations."""
    try:
        kind, value = _Values(io.BytesIO(data)).load() if len(data) <= MOST else (None, None)
    except Exception:  # noqa: BLE001 - whatever is made of it, MemoryError and RecursionError too
        kind, value = None, None
    if kind not in KINDS:
        raise CannotObserve("what the child in the other root answered is no answer of ours.")
    return kind, value


class _Values(pickle.Unpickler):
    """Builds no object but those of which nothing but a value comes."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if module.startswith("mailauth.") and "." not in name:
            found = getattr(sys.modules.get(module), name, None)  # none is loaded for an answer
            if isinstance(found, type) and (
                dataclasses.is_dataclass(found) or issubclass(found, enum.Enum | msgspec.Struct)
            ):
                return found
        raise pickle.UnpicklingError(f"{module}.{name}")
