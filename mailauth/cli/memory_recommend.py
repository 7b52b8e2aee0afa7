"""``mailauth memory recommend``."""

import os
import sys

import click

from mailauth.dovecot.sizes import parse_limit, parse_size
from mailauth.errors import UsageError
from mailauth.memory.recommend import Advice, Wish, advise, fitting
from mailauth.memory.speed import Speed, speed

_DRIVERS = ("passwd-file", "pgsql", "mysql", "sqlite")
_LARGEST_IDLE = "26M"


@click.command(name="recommend")
@click.option(
    "--driver",
    type=click.Choice(_DRIVERS),
    default="passwd-file",
    show_default=True,
    help="Driver of the passdb.",
)
@click.option("--use-worker", is_flag=True, help="Judge as with 2.4's passdb_use_worker = yes.")
@click.option("--vsz-limit", metavar="SIZE", help="Keep this vsz_limit.  [one is proposed]")
@click.option(
    "--ram", metavar="SIZE", help="Memory for all verifications together.  [half of what is free here]"
)
@click.option(
    "--cores", type=click.IntRange(min=1), help="Cores for verifying.  [all of this machine]", metavar="N"
)
@click.option("--users", type=click.IntRange(min=0), default=0, help="Number of users.", metavar="N")
@click.option(
    "--peak",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Peak rate, in logins a second.",
    metavar="RATE",
)
@click.option(
    "--latency",
    type=click.FloatRange(min=1),
    default=500.0,
    show_default=True,
    help="Longest time of one verification, in ms.",
    metavar="MS",
)
@click.option(
    "--idle", metavar="SIZE", default=_LARGEST_IDLE, show_default=True, help="Size of the idle process."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=30, show_default=True, help="At most.", metavar="N"
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    help="Time to measure each candidate, in seconds.",
    metavar="SECONDS",
)
@click.option("--apply-to", type=click.Choice(["lab"]), help="Test the choice in a lab, under load.")
@click.option("--dovecot", metavar="VERSION", help="Dovecot version of the lab.  [the installed one]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/memory-recommend.json).")
def command(
    driver: str,
    use_worker: bool,
    vsz_limit: str | None,
    ram: str | None,
    cores: int | None,
    users: int,
    peak: float,
    latency: float,
    idle: str,
    workers: int,
    seconds: float,
    apply_to: str | None,
    dovecot: str | None,
    as_json: bool,
) -> None:
    """Recommend the strongest Argon2id for this machine, and Dovecot's limits for it.

    Measures the rows that fit, here and now, on as many cores as Dovecot would use.

    \b
    Exit status:  0 recommended   1 no row fits, or the proof failed   2 wrong usage   3 cannot measure
    """
    from mailauth.memory.report import RecommendReport  # noqa: PLC0415 - --help needs none of it
    from mailauth.render.json import to_json  # noqa: PLC0415
    from mailauth.render.memory_recommend import recommend_text  # noqa: PLC0415

    if dovecot and not apply_to:
        raise UsageError("--dovecot says which Dovecot the lab has: add --apply-to lab.")
    wish = Wish(
        driver=driver,
        memory=parse_size(ram) if ram else _free() // 2,
        cores=cores or len(os.sched_getaffinity(0)),
        peak=peak,
        latency=latency / 1000,
        vsz_limit=parse_limit(vsz_limit) if vsz_limit else None,
        may_raise=vsz_limit is None,
        idle=parse_size(idle),
        most_workers=workers,
        users=users,
        use_worker=use_worker,
    )
    advice = measured(wish, seconds)
    proof = None
    if apply_to and advice.chosen:
        from mailauth.lab.prove_memory import prove  # noqa: PLC0415

        proof = prove(wish, advice.chosen, advice.config, dovecot=dovecot)
    report = RecommendReport(advice, proof)
    click.echo(to_json(report) if as_json else recommend_text(report), nl=as_json)
    sys.exit(0 if advice.chosen and (proof is None or proof.worked == proof.asked) else 1)


def measured(wish: Wish, seconds: float) -> Advice:
    """Measure what fits, the quick rows first, and no row that will surely be too slow."""
    from mailauth.cli.memory_hash import with_parameters  # noqa: PLC0415
    from mailauth.cli.shared.progress import stepping  # noqa: PLC0415
    from mailauth.probes.linked import linked_library  # noqa: PLC0415

    library = linked_library("libsodium")
    rows = sorted((row for row in fitting(wish) if not row.refused), key=lambda row: row.m * row.t)
    speeds: dict[tuple[int, int], Speed] = {}
    pace = 0.0  # seconds for a KiB and pass, at the best
    with stepping(len(rows), "measuring") as step:
        for row in rows:
            if pace * row.m * row.t <= 1.5 * wish.latency:
                parsed = with_parameters(str(row.m), row.t, 1)
                seen = speed(parsed, wish.parallel, seconds=seconds, library=library)
                speeds[row.m, row.t] = seen
                pace = seen.time.least / (row.m * row.t)
            step(row.name)
    return advise(wish, speeds)


def _free() -> int:
    """The least that any ceiling over this very process leaves."""
    from mailauth.probes.ceilings import observe_ceilings  # noqa: PLC0415

    return min(one.free for one in observe_ceilings(os.getpid(), os.getpid()))
