"""The report's pictures of a load: lines over time and over rate, as numbers that the template draws."""

import math
from collections.abc import Callable, Iterable

from mailauth.load.result import Knee, LoadResult, Sample
from mailauth.records import dataclass

# The plane that is drawn on, in the units of the picture: 340 wide, as a phone shows it.
LEFT, RIGHT, TOP, BOTTOM = 46.0, 332.0, 12.0, 168.0
_MOST_POINTS = 150
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a picture; ``kind`` is its colour and stroke; ``points`` as SVG writes them."""

    label: str
    kind: str
    points: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A number at an axis, and where."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """One measured point; ``kind``: good or bad."""

    x: float
    y: float
    kind: str


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines and dots, with a name for the document and what a screen reader says.

    ``marks``: where lines across the picture stand, upright; ``limit``: one that lies.
    """

    name: str
    title: str
    says: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Curve, ...]
    dots: tuple[Dot, ...] = ()
    mark: float | None = None
    limit: float | None = None


def load_curves(load: LoadResult) -> tuple[Curves, ...]:
    """What of a load can be drawn."""
    found = [_latencies(load.samples), _rates(load.samples)] if len(load.samples) > 1 else []
    return (*found, *([_knee(load.knee)] if load.knee and load.knee.steps else []))


def _latencies(samples: list[Sample]) -> Curves:
    series = (
        ("p50", "good", [1000 * one.p50 for one in samples]),
        ("p95", "warn", [1000 * one.p95 for one in samples]),
        ("p99", "bad", [1000 * one.p99 for one in samples]),
    )
    told = ", ".join(f"{label} up to {number(max(values))} ms" for label, _, values in series)
    return _over_time("load-latency", "Time to an answer", told, "ms", samples, series)


def _rates(samples: list[Sample]) -> Curves:
    series = (
        ("wanted", "idle", [one.rate for one in samples]),
        ("answered", "good", [one.answered for one in samples]),
    )
    told = ", ".join(f"{label} up to {number(max(values))} a second" for label, _, values in series)
    return _over_time("load-rate", "Requests a second", told, "1/s", samples, series)


def _over_time(
    name: str,
    title: str,
    told: str,
    unit: str,
    samples: list[Sample],
    series: tuple[tuple[str, str, list[float]], ...],
) -> Curves:
    times = [one.at for one in samples]
    x, x_ticks = _axis(max(times), LEFT, RIGHT)
    y, y_ticks = _axis(max(max(values) for _, _, values in series), BOTTOM, TOP)
    lines = tuple(Curve(label, kind, _points(times, values, x, y)) for label, kind, values in series)
    says = f"Over {number(max(times))} seconds: {told}."
    return Curves(name, title, says, "seconds", unit, x_ticks, y_ticks, lines)


def _knee(knee: Knee) -> Curves:
    """The rates that were tried, with their p95."""
    steps = sorted(knee.steps, key=lambda step: step.rate)
    x, x_ticks = _axis(max(step.rate for step in steps), LEFT, RIGHT)
    y, y_ticks = _axis(1000 * max(knee.limit, *(step.latency.p95 for step in steps)), BOTTOM, TOP)
    dots = tuple(
        Dot(x(step.rate), y(1000 * step.latency.p95), "good" if step.held else "bad") for step in steps
    )
    told = "; ".join(
        f"{number(step.rate)} a second: p95 {number(1000 * step.latency.p95)} ms,"
        f" {'held' if step.held else f'did not hold ({step.why})'}"
        for step in steps
    )
    return Curves(
        "load-knee",
        "The highest rate that holds",
        told,
        "requests a second",
        "ms (p95)",
        x_ticks,
        y_ticks,
        (),
        dots,
        x(knee.rate) if knee.rate else None,
        y(1000 * knee.limit),
    )


def _axis(most: float, begin: float, end: float) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    """From 0 to a round number of at least ``most``: where a value stands, and the ticks."""
    rough = max(most, 1e-6) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999999)
    ticks = math.ceil(round(max(most, step) / step, 6))
    full = step * ticks

    def place(value: float) -> float:
        return round(begin + (end - begin) * min(value / full, 1), 2)

    return place, tuple(Tick(place(step * n), number(step * n)) for n in range(ticks + 1))


def _points(
    times: list[float], values: list[float], x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    """At most so many: of each stretch its highest value, so that no peak is lost."""
    size = -(-len(times) // _MOST_POINTS)
    stretches: Iterable[range] = (
        range(begin, min(begin + size, len(times))) for begin in range(0, len(times), size)
    )
    chosen = [max(stretch, key=values.__getitem__) for stretch in stretches]
    return " ".join(f"{x(times[n])},{y(values[n])}" for n in chosen)


def number(value: float) -> str:
    """Three figures, as people read them: 12,300, 45.6, 0.12."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
