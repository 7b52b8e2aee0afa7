"""Whether a store's hashes fit into the processes that verify them, and what else would stop them.  Pure."""

from collections.abc import Iterable
from enum import Enum

from mailauth.dovecot.authconfig import ServiceName
from mailauth.memory import fit
from mailauth.memory.census import Census
from mailauth.memory.footprint import Footprint
from mailauth.records import dataclass

_MiB = 1024 * 1024


class Fits(Enum):
    """Whether every login works, for a given hash, process and limit."""

    YES = "fits"
    TIGHT = "tight"  # within what a process's heap may grow by: some logins may fail
    NO = "does not fit"  # not even the blocks can be mapped: every login fails


def judge(limit: int | None, size: int, footprint: Footprint) -> Fits:
    """``size``: the idle process; ``limit``: its RLIMIT_AS, None for none."""
    room = fit.room(limit, size)
    if room is None or room >= footprint.always:
        return Fits.YES
    return Fits.NO if room < footprint.memory.blocks else Fits.TIGHT


@dataclass(frozen=True, slots=True)
class Process:
    """The process that verifies, as seen; sizes in bytes."""

    service: ServiceName
    pid: int | None
    live: int | None  # the limit in force; None: no limit
    configured: int | None
    place: str
    idle: int  # address space
    resident: int
    most: int  # how many of them verify at the same time


@dataclass(frozen=True, slots=True)
class ServiceFit:
    """One process against the largest hash of a store."""

    process: Process
    fits: Fits
    after_reload: Fits  # under the configured limit
    spare: int | None  # bytes beyond the need; negative: short; None: no limit
    least_first: int  # the smallest vsz_limit for the first login of a process
    least_always: int  # and for all later ones
    recommended: int
    rows_short: int  # rows that do not surely fit
    on_cache_hit: bool
    falls_back: bool  # a short cache hit is looked up again: it harms nobody

    @property
    def harms(self) -> bool:
        return self.fits is not Fits.YES and not self.falls_back


def service_fit(
    process: Process, census: Census, *, on_cache_hit: bool = False, falls_back: bool = False
) -> ServiceFit | None:
    """None when no hash of the store takes memory."""
    if census.largest is None:
        return None
    largest = census.largest.footprint
    room = fit.room(process.live, process.idle)
    return ServiceFit(
        process=process,
        fits=judge(process.live, process.idle, largest),
        after_reload=judge(process.configured, process.idle, largest),
        spare=None if room is None or process.live is None else process.live - process.idle - largest.always,
        least_first=process.idle + largest.first,
        least_always=process.idle + largest.always,
        recommended=fit.safe_limit(process.idle, largest.memory),
        rows_short=sum(
            one.rows
            for one in census.sets
            if judge(process.live, process.idle, one.footprint) is not Fits.YES
        ),
        on_cache_hit=on_cache_hit,
        falls_back=falls_back,
    )


def stanza(services: Iterable[ServiceFit]) -> str:
    """What to add to the configuration; the same words in 2.3 and 2.4.  "" when nothing is short."""
    return "".join(
        f"service {name} {{\n  vsz_limit = {mib}M\n}}\n" for name, mib in limits_of(services).items()
    )


def limits_of(services: Iterable[ServiceFit]) -> dict[str, int]:
    """The vsz_limit in MiB that each service which is short should have."""
    limits: dict[str, int] = {}
    for one in services:
        if one.harms and one.after_reload is not Fits.YES:
            name = one.process.service
            limits[name] = max(limits.get(name, 0), one.recommended)
    return {name: limit // _MiB for name, limit in limits.items()}


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Another limit on memory, as seen: bytes that are still free under it."""

    what: str
    source: str
    limit: int
    free: int
    each: bool  # holds for each process; else for all together


@dataclass(frozen=True, slots=True)
class Bite:
    """A ceiling against what the logins take at peak."""

    ceiling: Ceiling
    one: int  # a single verification
    peak: int  # as many as may run at the same time
    bites: str  # "no", "at peak" or "always"


def bite(ceiling: Ceiling, services: Iterable[ServiceFit], largest: Footprint) -> Bite:
    """What the ceiling does to a store whose largest hash is ``largest``."""
    chosen = list(services)
    if ceiling.each:
        one = peak = max((s.least_always for s in chosen), default=0)
    else:
        one = largest.first
        peak = sum(s.process.most * one for s in chosen)
    bites = "always" if one > ceiling.free else "at peak" if peak > ceiling.free else "no"
    return Bite(ceiling, one, peak, bites)


@dataclass(frozen=True, slots=True)
class PassdbFit:
    """One passdb: its hashes against the processes that verify them.  ``problem``: what could not be seen."""

    passdb: str
    driver: str
    census: Census | None
    services: tuple[ServiceFit, ...]
    stanza: str  # what to add to the configuration; "" when nothing is short
    beyond: tuple[Bite, ...]
    problem: str

    @property
    def short(self) -> bool:
        """A login fails, or would at peak for lack of something other than vsz_limit."""
        return any(one.harms for one in self.services) or any(one.bites != "no" for one in self.beyond)
