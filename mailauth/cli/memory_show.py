"""``mailauth memory show``."""

import click

from mailauth.cli.memory_hash import hash_argument, take_hash


@click.command(name="show")
@hash_argument
@click.option("--stdin", is_flag=True, help="Read the stored hash from standard input.")
@click.option(
    "--fd", type=click.IntRange(min=0), metavar="FD", help="Read the stored hash from this file descriptor."
)
@click.option(
    "--memory", metavar="M", help="Instead of a hash: Argon2 memory, in KiB (65536) or as a size (64M)."
)
@click.option("--time", type=click.IntRange(min=1), metavar="T", help="Argon2 passes.  [1]")
@click.option("--lanes", type=click.IntRange(min=1), metavar="P", help="Argon2 lanes (threads).  [1]")
@click.option(
    "--measure", "wanted", is_flag=True, help="Also measure it, with the library that Dovecot calls."
)
@click.option(
    "--runs", type=click.IntRange(1, 1000), default=20, show_default=True, help="Runs to time.", metavar="N"
)
@click.option("--library", metavar="FILE", help="Measure with this libsodium or libcrypt.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/memory-show.json).")
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
    """Show the memory that verifying HASH needs on top of the idle process, to the byte.

    HASH is a stored string such as {ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$...; other users of this
    machine can see arguments, so prefer --stdin.  With --measure a stand-in of the same parameters is
    verified in a fresh child: VmPeak and a bisection of RLIMIT_AS must agree.

    \b
    Exit status:  0 shown    2 wrong usage    3 could not be measured
    """
    from mailauth.memory.footprint import of  # noqa: PLC0415 - --help needs none of it
    from mailauth.memory.measure import kind_of, measure  # noqa: PLC0415
    from mailauth.memory.report import show_report  # noqa: PLC0415
    from mailauth.probes.linked import linked_library  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415
    from mailauth.render.memory import show_text  # noqa: PLC0415

    parsed = take_hash(stored, stdin=stdin, descriptor=fd, memory=memory, time=time, lanes=lanes)
    measured = None
    if wanted:
        kind = kind_of(parsed)
        measured = measure(parsed, runs=runs, library=library or (linked_library(kind) if kind else None))
    report = show_report(parsed, of(parsed), measured)
    click.echo(to_json(report) if as_json else show_text(report), nl=as_json)
