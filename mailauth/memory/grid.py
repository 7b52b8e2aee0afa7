"""A grid of hashes, measured in turn; each result is kept at once, so that one can stop and go on."""

import datetime as dt
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from mailauth import handed, hashes
from mailauth.errors import UsageError
from mailauth.hashes import Flaw, Hash, Password
from mailauth.memory.footprint import of
from mailauth.memory.measure import Spread, measure
from mailauth.records import dataclass

_PASSWORD = Password.of("a stand-in, and nobody's password")
_MEMORIES = (7168, 12288, 19456, 32768, 47104, 65536, 131072, 262144, 524288, 1048576)


@dataclass(frozen=True, slots=True)
class Point:
    """What to measure: a scheme and what ``hashes.generate`` takes."""

    scheme: str
    params: tuple[tuple[str, int | str], ...]

    @property
    def name(self) -> str:
        values = ",".join(f"{key}={value}" for key, value in self.params)
        return f"{self.scheme} {values}"


@dataclass(frozen=True, slots=True)
class Result:
    """What one point came to; bytes and seconds.  ``memory`` in KiB for Argon2, 0 for others."""

    name: str
    shown: str
    scheme: str
    memory: int
    passes: int
    lanes: int
    predicted: int
    rose: int
    peak_rss: int
    time: Spread
    library: str
    date: str


def grid(*, most: int = 1048576, quick: bool = False) -> tuple[Point, ...]:
    """The usual points: Argon2id over memory and passes, and what else a store may hold.

    ``most``: KiB of memory;  ``quick``: one number of passes.
    """
    passes = (1, 3) if quick else (1, 2, 3, 4)
    argon2 = [
        Point("ARGON2ID", (("memory", m), ("time", t), ("lanes", 1)))
        for m in _MEMORIES
        for t in passes
        if m <= most
    ]
    lanes = [
        Point("ARGON2ID", (("memory", 65536), ("time", 3), ("lanes", p))) for p in (2, 4) if most >= 65536
    ]
    others = [
        Point("BLF-CRYPT", (("cost", 10),)),
        Point("BLF-CRYPT", (("cost", 12),)),
        Point("SHA512-CRYPT", (("rounds", 5000),)),
        Point("SHA512-CRYPT", (("rounds", 656_000),)),
        Point("CRYPT", (("kind", "$y$"), ("rounds", 5))),
        Point("CRYPT", (("kind", "$y$"), ("rounds", 7))),
        Point("CRYPT", (("kind", "$7$"), ("rounds", 7))),
    ]
    return (*others, *argon2, *lanes)


def run(point: Point, *, runs: int, seconds: float) -> Result:
    """Measure one.  Raises CannotObserve when it cannot be, UsageError for a point that is none."""
    parsed = _hash(point)
    values = dict(parsed.params)
    argon2 = parsed.scheme.library == "libsodium"
    seen = measure(parsed, runs=runs, seconds=seconds, bisect=False)
    return Result(
        name=point.name,
        shown=parsed.shown,
        scheme=parsed.scheme.name,
        memory=int(values["m"]) if argon2 else 0,
        passes=int(values["t"]) if argon2 else 0,
        lanes=int(values["p"]) if argon2 else 0,
        predicted=of(parsed).first,
        rose=seen.rose,
        peak_rss=seen.peak_rss,
        time=seen.time,
        library=seen.library.rpartition("/")[2],
        date=dt.datetime.now(dt.UTC).date().isoformat(),
    )


def _hash(point: Point) -> Hash:
    """A stored string with these parameters; for Argon2 it need not be computed."""
    values = dict(point.params)
    if "lanes" in values:
        text = f"m={values['memory']},t={values['time']},p={values['lanes']}"
        made = f"{{ARGON2ID}}$argon2id$v=19${text}${'A' * 22}${'A' * 43}"
    else:
        made = hashes.generate(point.scheme, _PASSWORD, user="", **values)
    parsed = hashes.parse(made)
    if isinstance(parsed, Flaw):
        raise UsageError(f"{point.name} is not a hash: {parsed.reason}.")
    return parsed


def load(file: Path) -> dict[str, Result]:
    """What is done, by name.  A last line that is not whole (a power cut) is as if it were not there."""
    found: dict[str, Result] = {}
    if not file.exists():
        return found
    for number, line in enumerate(handed.text(file).splitlines(keepends=True), 1):
        try:
            row = json.loads(line)
            found[row["name"]] = Result(**{**row, "time": Spread(**row["time"])})
        except (ValueError, TypeError, KeyError):
            if line.endswith("\n"):
                raise UsageError(
                    f"{file}:{number} is no result of memory bench; name another file."
                ) from None
    return found


def keep(file: Path, result: Result) -> None:
    """Append one line: whole, and on disk, or not at all; half a line left by a crash is ended first."""
    line = json.dumps(asdict(result)).encode() + b"\n"
    stream = handed.going_on(file)
    try:
        size = os.fstat(stream).st_size
        if size and not _ends(stream, size):
            _cut(stream, size)
        os.write(stream, line)
        os.fsync(stream)
    finally:
        os.close(stream)


def _ends(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"


def _cut(descriptor: int, size: int) -> None:
    """Take off half a line."""
    data = os.pread(descriptor, size, 0)
    os.ftruncate(descriptor, data.rfind(b"\n") + 1)


def missing(points: Iterable[Point], file: Path) -> tuple[Point, ...]:
    done = load(file)
    return tuple(point for point in points if point.name not in done)


def measured(
    points: Iterable[Point], file: Path, *, runs: int, seconds: float, step: Callable[[str], None]
) -> Iterator[Result]:
    """Measure and keep each in turn."""
    for point in points:
        result = run(point, runs=runs, seconds=seconds)
        keep(file, result)
        step(point.name)
        yield result
