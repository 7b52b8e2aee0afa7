"""What the ``memory`` commands answer, as records; their JSON schemas are made of them."""

from dataclasses import dataclass

from mailauth.hashes import Hash
from mailauth.memory.footprint import Footprint, Part
from mailauth.memory.measure import Measured


@dataclass(frozen=True, slots=True)
class ShowReport:
    """``memory show``: sizes in bytes, times in seconds."""

    hash: str  # without salt and digest
    scheme: str
    params: dict[str, int | str]
    parts: tuple[Part, ...]
    first: int
    always: int
    measured: Measured | None


def show_report(parsed: Hash, footprint: Footprint, measured: Measured | None) -> ShowReport:
    return ShowReport(
        parsed.shown,
        parsed.scheme.name,
        dict(parsed.params),
        footprint.parts,
        footprint.first,
        footprint.always,
        measured,
    )
