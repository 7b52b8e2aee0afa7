"""What a hash really takes: address space, resident memory and time, through the library Dovecot calls.

A stand-in with the same parameters is verified, so that neither the user's password nor the stored
hash is needed: what a verification takes depends on neither.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mailauth import hashes, private
from mailauth.dovecot import confining
from mailauth.errors import CannotObserve
from mailauth.hashes import Flaw, Hash, Password, libcrypt
from mailauth.hashes.hash import Library
from mailauth.hashes.judge import parse
from mailauth.later import later
from mailauth.memory.child import LIBRARIES, ask, check_physical
from mailauth.memory.footprint import of
from mailauth.records import dataclass

if TYPE_CHECKING:
    import statistics
else:
    statistics = later("statistics")  # only where it is measured

_SCRIPT = Path(__file__).with_name("gauge.py")
_STAND_IN = Password(b"a stand-in, and nobody's password")
_HEAP = 64 * 1024  # free heap of the child: for the small allocations, and, where it is not mapped,
_HEAP_INDEX = 128 * 1024  # for the index array


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds; the smallest is what the machine can do, the rest is what else it was doing."""

    runs: int
    least: float
    median: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen.  ``rose`` and ``bisected`` are two ways to one figure: they must agree."""

    library: str
    rose: int  # VmPeak over VmSize, bytes
    bisected: int | None  # the least RLIMIT_AS over VmSize with which it works, to the page
    peak_rss: int  # VmHWM of the child
    idle_rss: int  # VmRSS before
    time: Spread
    times: tuple[float, ...]  # each run, in seconds, in order

    @property
    def agree(self) -> bool:
        return self.bisected is None or self.bisected == self.rose


def spread(times: Sequence[float]) -> Spread:
    """Of at least one time."""
    ordered = sorted(times)
    at = min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)
    return Spread(len(ordered), ordered[0], statistics.median(ordered), ordered[at], ordered[-1])


def kind_of(parsed: Hash) -> Library:
    """Which library verifies it, or the same as Dovecot does by itself (bcrypt); "": none."""
    bcrypt = "cost" in dict(parsed.params)
    return parsed.scheme.library or ("libcrypt" if bcrypt else "")


def measure(
    parsed: Hash, *, runs: int = 10, seconds: float = 10.0, bisect: bool = True, library: str | None = None
) -> Measured:
    """Measure a verification in a fresh child.  ``runs`` times, but no more than ``seconds`` long.

    Raises CannotObserve when the library is missing, the machine has not the memory, or the scheme
    is one that Dovecot computes itself, without a library we could call.
    """
    kind = kind_of(parsed)
    if not kind:
        raise CannotObserve(
            f"{parsed.scheme.name} is computed by Dovecot itself: there is no library to measure it with."
        )
    footprint = of(parsed)
    check_physical(footprint.first, "not measured")
    stored = stand_in(parsed)
    if library and "/" in library and not private.trusted(Path(library)):
        raise CannotObserve(f"{library}: others than root or you could have put it there; it is not loaded.")
    for name in (library,) if library else LIBRARIES[kind]:
        answer = ask(
            _SCRIPT,
            {
                "kind": kind,
                "library": name,
                "filter": base64.b64encode(confining.alone()).decode(),
                "stored": base64.b64encode(stored).decode(),
                "password": base64.b64encode(_STAND_IN.raw).decode(),
                "heap": _HEAP + (0 if footprint.memory.index else _HEAP_INDEX),
                "bisect": bisect,
                "runs": runs,
                "seconds": seconds,
            },
            "the measurement",
            timeout=60 + 20 * seconds,
        )
        if "error" not in answer:
            break
    else:
        named = library or " nor ".join(LIBRARIES[kind])
        raise CannotObserve(f"{named} cannot be loaded here; name another with --library.")
    if not answer["matched"]:
        raise CannotObserve(f"{name} does not verify a hash with these parameters.")
    return Measured(
        name,
        answer["rose"],
        answer["least"],
        answer["rss"],
        answer["before"],
        spread(answer["times"]),
        tuple(answer["times"]),
    )


def stand_in(parsed: Hash) -> bytes:
    """A payload with the same parameters, made of our own password."""
    values = dict(parsed.params)
    if kind_of(parsed) == "libsodium":
        scheme = "ARGON2I" if values["type"] == "argon2i" else "ARGON2ID"
        made = hashes.generate(
            scheme, _STAND_IN, memory=values["m"], time=values["t"], lanes=min(int(values["p"]), 255)
        )
        again = parse(made)
        assert not isinstance(again, Flaw), "what we generate parses"
        return again.payload
    lib = libcrypt.load()
    made_by_crypt = libcrypt.crypt(lib, _STAND_IN.text, parsed.payload) if lib else None
    if made_by_crypt is None:
        raise CannotObserve("the system's libcrypt does not make a hash of this kind.")
    return made_by_crypt
