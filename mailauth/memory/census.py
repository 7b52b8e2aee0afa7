"""What the hashes of a whole store take: the largest decides what limit is enough."""

from mailauth.hashes.damaged import Kind
from mailauth.memory.footprint import Footprint, of
from mailauth.records import dataclass
from mailauth.stores.rows import Survey


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
    unreadable: int  # rows that never match, whatever the memory

    @property
    def largest(self) -> ParameterSet | None:
        return self.sets[0] if self.sets else None


def census(survey: Survey, place: str = "") -> Census:
    """What of a store takes memory."""
    sets: dict[str, ParameterSet] = {}
    for one in survey.sound:
        parsed = one.hash
        takes = of(parsed) if parsed else None
        if takes and takes.parts:
            before = sets[one.shown].rows if one.shown in sets else 0
            sets[one.shown] = ParameterSet(one.shown, before + one.rows, takes)
    ordered = sorted(sets.values(), key=lambda one: (-one.footprint.always, one.shown))
    unreadable = sum(one.rows for one in survey.broken if one.damage and one.damage.kind is not Kind.WEAK)
    return Census(place or survey.place, survey.rows, tuple(ordered), unreadable)
