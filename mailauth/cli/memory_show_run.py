"""What ``memory_show`` does; its options are in ``memory_show.py``."""

import click

from mailauth.cli.memory_hash import take_hash
from mailauth.cli.shared.given import without
from mailauth.memory.footprint import of
from mailauth.memory.measure import kind_of, measure
from mailauth.memory.records import show_report
from mailauth.probes.linked import linked_library
from mailauth.render.json import to_json
from mailauth.render.memory import show_text


def command(
    stored: str | None,
    stdin: bool,
    fd: int | None,
    memory: str | None,
    time: int | None,
    lanes: int | None,
    wanted: bool,
    runs: int,
    library: str | None,
    as_json: bool,
) -> None:
    if not wanted:
        without("memory show without --measure", "runs", "library")
    parsed = take_hash(stored, stdin=stdin, descriptor=fd, memory=memory, time=time, lanes=lanes)
    measured = None
    if wanted:
        kind = kind_of(parsed)
        measured = measure(parsed, runs=runs, library=library or (linked_library(kind) if kind else None))
    report = show_report(parsed, of(parsed), measured)
    click.echo(to_json(report) if as_json else show_text(report), nl=as_json)
