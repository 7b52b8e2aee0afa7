"""What ``memory_bench`` does; its options are in ``memory_bench.py``."""

import os
import time
from contextlib import suppress
from pathlib import Path

import click

from mailauth import handed
from mailauth.cli.shared.given import without
from mailauth.cli.shared.progress import stepping
from mailauth.dovecot.sizes import parse_size, show_size
from mailauth.errors import UsageError
from mailauth.memory import grid
from mailauth.memory.records import BenchReport
from mailauth.render.json import to_json
from mailauth.render.memory_bench import bench_text
from mailauth.render.memory_picture import picture as draw


def command(
    results: Path,
    most: str,
    quick: bool,
    runs: int,
    seconds: float,
    picture: Path | None,
    limits: tuple[str, ...],
    latency: float,
    as_json: bool,
) -> None:
    if not picture:
        without("memory bench without --picture", "limits", "latency")
    drawn = [parse_size(text) for text in limits or ("256M", "1G")]
    points = grid.grid(most=parse_size(most) // 1024, quick=quick)
    _writable(results)
    measure_missing(points, results, runs, seconds)
    done = grid.load(results)
    wanted = tuple(done[point.name] for point in points if point.name in done)
    if picture:
        draw(wanted, picture, limits=drawn, latency=latency / 1000, idle=24 << 20)
    report = BenchReport(wanted)
    click.echo(to_json(report) if as_json else bench_text(report), nl=as_json)


def measure_missing(points: tuple[grid.Point, ...], file: Path, runs: int, seconds: float) -> None:
    """One bar for all; an interrupt says what is kept."""
    todo = grid.missing(points, file)
    began = time.monotonic()
    done = 0
    try:
        with stepping(len(todo), "measuring") as step:
            for _ in grid.measured(todo, file, runs=runs, seconds=seconds, step=step):
                done += 1
    except KeyboardInterrupt:
        kept = len(points) - len(todo) + done
        click.echo(
            f"mailauth: {kept} of {len(points)} are in {file} after {time.monotonic() - began:.0f} s;"
            " the same command goes on from there.",
            err=True,
        )
        raise


def _writable(file: Path) -> None:
    try:
        os.close(handed.going_on(file))
    except OSError as why:
        raise UsageError(f"{file}: cannot be written ({why.strerror}).") from None
    with suppress(OSError):
        if file.stat().st_size > 64 << 20:
            raise UsageError(
                f"{file} has {show_size(file.stat().st_size)}: that is no result of memory bench."
            )
