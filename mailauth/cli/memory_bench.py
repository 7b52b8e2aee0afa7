"""``mailauth memory bench``."""

from pathlib import Path

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.pictures import picture_option


@click.command(cls=Command, name="bench")
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("memory-bench.jsonl"),
    show_default=True,
    help="Write JSON lines to this file; points that it already has are not measured again.",
    metavar="FILE",
)
@click.option("--most", metavar="SIZE", default="1G", show_default=True, help="Largest hash to measure.")
@click.option("--quick", is_flag=True, help="Measure a smaller grid.")
@click.option(
    "--runs",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Runs for each grid point.",
    metavar="N",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 600),
    default=3.0,
    show_default=True,
    help="Longest time for one grid point, in seconds.",
    metavar="SECONDS",
)
@picture_option("time against memory")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="SIZE",
    help="Draw this vsz_limit into the chart; repeatable.  [256M and 1G]",
)
@click.option(
    "--latency",
    type=click.FloatRange(min=1),
    default=500.0,
    show_default=True,
    help="Draw this latency into the chart, in ms.",
    metavar="MS",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/memory-bench.json).")
def command() -> None:
    """Measure memory and time of many hashes on this machine.

    Each result is written at once: after an interruption the same command goes on from there.

    \b
    Exit status:  0 all measured   2 wrong usage   3 something cannot be measured here   130 interrupted
    """
