"""The report's pictures as numbers: the template draws them.  Lengths are parts of 100."""

from mailauth.counted import counted
from mailauth.dovecot.sizes import show_limit, show_size
from mailauth.memory.fitting import Fits, PassdbFit, ServiceFit
from mailauth.records import dataclass
from mailauth.render.audit import (
    LOCKED,
    NEVER,
    OPEN,
    REFUSED,
    SOUND,
    UNKNOWN,
    WEAK,
    StoreReport,
    drawn_as,
)

_MOST_BARS = 12
_LABEL = 44  # characters that a phone shows in one line
_FATES = {
    SOUND: "good",
    WEAK: "warn",
    LOCKED: "idle",
    OPEN: "bad",
    REFUSED: "warn",
    UNKNOWN: "odd",
    NEVER: "bad",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a bar; ``kind`` is its colour: good, warn, odd, bad, idle."""

    begin: float
    length: float
    kind: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart; ``mark``: where a limit is drawn across it."""

    label: str
    text: str
    segments: tuple[Segment, ...]
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, with a name for the document and what a screen reader says; ``legend``: colour and meaning."""

    name: str
    title: str
    says: str
    bars: tuple[Bar, ...]
    legend: tuple[tuple[str, str], ...]


def stores_chart(store: StoreReport, number: int) -> Chart:
    """How many rows of which scheme, by their fate."""
    most = max((one.rows for one in store.classes), default=1)
    shown = store.classes[:_MOST_BARS]
    bars = tuple(
        Bar(
            _cut(one.hash or "nothing"),
            f"{counted(one.rows, 'row')}, {drawn_as(one)}",
            (Segment(0, max(100 * one.rows / most, 0.5), _FATES[drawn_as(one)]),),
        )
        for one in shown
    )
    told = "; ".join(f"{bar.label}: {bar.text}" for bar in bars)
    if left := len(store.classes) - len(shown):
        told += f"; {left} smaller classes are in the table only"
    fates = {drawn_as(one) for one in shown}
    legend = tuple((kind, fate) for fate, kind in _FATES.items() if fate in fates)
    return Chart(f"store-{number}", f"Rows by hash, {store.passdb}", told, bars, legend)


def memory_chart(passdb: PassdbFit, number: int) -> Chart:
    """What each process takes with the largest hash, against its limit."""
    ends = [_end(one) for one in passdb.services] + [one.process.live or 0 for one in passdb.services]
    full = max(ends, default=1) * 1.05 or 1
    bars = tuple(_memory_bar(one, full) for one in passdb.services)
    told = "; ".join(f"{bar.label}: {bar.text}" for bar in bars)
    kinds = {segment.kind for bar in bars for segment in bar.segments}
    if any(bar.mark is not None for bar in bars):
        kinds.add("mark")
    legend = tuple((kind, text) for kind, text in _MEMORY_LEGEND if kind in kinds)
    return Chart(f"memory-{number}", f"Memory against its limit, {passdb.passdb}", told, bars, legend)


_FITS = {Fits.YES: "good", Fits.TIGHT: "warn", Fits.NO: "bad"}
_MEMORY_LEGEND = (
    ("idle", "the idle process"),
    ("good", "the largest hash, which fits"),
    ("warn", "the largest hash, which is tight"),
    ("bad", "the largest hash, which does not fit"),
    ("mark", "the limit"),
)


def _memory_bar(one: ServiceFit, full: float) -> Bar:
    process = one.process
    idle = 100 * process.idle / full
    takes = 100 * (_end(one) - process.idle) / full
    return Bar(
        f"{process.service}{', on a hit of the cache' if one.on_cache_hit else ''}",
        f"{show_size(_end(one))} of {show_limit(process.live)}, {one.fits.value}",
        (Segment(0, idle, "idle"), Segment(idle, takes, _FITS[one.fits])),
        100 * process.live / full if process.live else None,
    )


def _end(one: ServiceFit) -> int:
    return one.least_always


def _cut(text: str) -> str:
    text = text.removesuffix("...")
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
