"""What the ``memory`` commands answer, as records; their JSON schemas are made of them."""

from mailauth.hashes import Hash
from mailauth.memory.fitting import PassdbFit
from mailauth.memory.footprint import Footprint, Part
from mailauth.memory.grid import Result
from mailauth.memory.huge_pages import HugePages, HugeTrial
from mailauth.memory.measure import Measured, Spread
from mailauth.memory.recommend import Advice, RunningPassdb
from mailauth.records import dataclass


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


@dataclass(frozen=True, slots=True)
class FitReport:
    """``memory fit``.  ``dovecot`` is "" where none was looked at; ``reload``: how it is reloaded."""

    dovecot: str
    file: str
    passdbs: tuple[PassdbFit, ...]
    reload: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of clients saw that logged in to a lab again and again; seconds."""

    dovecot: str
    clients: int
    asked: int
    worked: int
    per_second: float
    latency: Spread


@dataclass(frozen=True, slots=True)
class RecommendReport:
    """``memory recommend``; ``proof`` where a lab was asked.

    ``server``: the Dovecot that was looked at; None: ``assumed`` says why there is none, "" where it was
    not asked for.
    ``huge_pages``: this machine's setting; None where it is not seen.  ``trial``: with --try-huge-pages.
    """

    advice: Advice
    proof: Load | None
    server: RunningPassdb | None = None
    assumed: str = ""
    huge_pages: HugePages | None = None
    trial: HugeTrial | None = None


@dataclass(frozen=True, slots=True)
class BenchReport:
    """``memory bench``."""

    results: tuple[Result, ...]
