"""``mailauth memory recommend``."""

import click

from mailauth.cli.shared.command import Command

_LARGEST_IDLE = "26M"
_DRIVERS = ("passwd-file", "pgsql", "mysql", "sqlite")


@click.command(cls=Command, name="recommend")
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
    "--workers",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Most auth-workers to plan for.",
    metavar="N",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    help="Time to measure each candidate, in seconds.",
    metavar="SECONDS",
)
@click.option("--apply-to", type=click.Choice(["lab"]), help="Test the recommendation in a lab, under load.")
@click.option("--dovecot", metavar="VERSION", help="Dovecot version of the lab.  [the installed one]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/memory-recommend.json).")
def command() -> None:
    """Recommend the strongest Argon2id for this machine, and Dovecot's limits for it.

    Measures the parameters that fit, on as many cores as Dovecot would use.

    \b
    Exit status:  0 recommended   1 nothing fits, or the test failed   2 wrong usage   3 cannot measure
    """
