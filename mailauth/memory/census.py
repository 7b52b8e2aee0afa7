"""What the hashes of a whole store take: the largest decides what limit is enough."""

from dataclasses import dataclass

from mailauth import hashes
from mailauth.hashes import Flaw
from mailauth.memory.footprint import Footprint, of
from mailauth.stores.parameter_sets import ENCODED, Counts

_SALT, _TAG = b"$" + b"A" * 22, b"$" + b"A" * 43
_YESCRYPT = b"$abcdefgh$" + b"." * 43
_SCRYPT = b"abcdefgh$" + b"." * 43


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """All the rows with the same parameters."""

    shown: str
    rows: int
    footprint: Footprint


@dataclass(frozen=True, slots=True)
class Census:
    """A store's hashes.  ``sets``: those that take memory, the largest first."""

    place: str
    rows: int
    sets: tuple[ParameterSet, ...]
    unreadable: int  # rows whose parameters make no sense: they never match, whatever the memory
    encoded: int  # rows in hex or base64, whose parameters were not read

    @property
    def largest(self) -> ParameterSet | None:
        return self.sets[0] if self.sets else None


def census(counts: Counts, place: str, default_scheme: str = "CRYPT") -> Census:
    """Understand what a store counted."""
    rows = unreadable = encoded = 0
    sets: dict[str, ParameterSet] = {}
    for key, count in counts:
        rows += count
        if key == ENCODED:
            encoded += count
        elif key:
            parsed = hashes.parse(_completed(key), default_scheme=default_scheme)
            if isinstance(parsed, Flaw):
                unreadable += count
            elif (takes := of(parsed)).parts:
                before = sets[parsed.shown].rows if parsed.shown in sets else 0
                sets[parsed.shown] = ParameterSet(parsed.shown, before + count, takes)
    ordered = sorted(sets.values(), key=lambda one: (-one.footprint.always, one.shown))
    return Census(place, rows, tuple(ordered), unreadable, encoded)


def _completed(key: bytes) -> bytes:
    """A whole stored string with these parameters, with a salt and a digest of nobody's."""
    if b"$m=" in key:
        return key + _SALT + _TAG
    return key + (_YESCRYPT if b"y$" in key else _SCRYPT)
