"""``mailauth memory recommend``."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option, rows_query_option

_DRIVERS = ("passwd-file", "pgsql", "mysql", "sqlite")


@click.command(cls=Command, name="recommend")
@config_option
@pid_option
@rows_query_option
@click.option("--driver", type=click.Choice(_DRIVERS), help="Without a Dovecot: driver of the passdb.")
@click.option(
    "--use-worker", is_flag=True, help="Without a Dovecot: judge as with 2.4's passdb_use_worker = yes."
)
@click.option("--vsz-limit", metavar="SIZE", help="Keep this vsz_limit.  [one is proposed]")
@click.option(
    "--ram", metavar="SIZE", help="Memory for all verifications together.  [half of what is free there]"
)
@click.option(
    "--cores",
    type=click.IntRange(min=1),
    help="Cores for verifying.  [all that Dovecot may use]",
    metavar="N",
)
@click.option(
    "--users", type=click.IntRange(min=0), help="Number of users.  [rows of the store]", metavar="N"
)
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
@click.option("--idle", metavar="SIZE", help="Size of the idle process.  [as it runs; else 26M]")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Most auth-workers to plan for.  [as configured; else 30]",
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
@click.option(
    "--try-huge-pages",
    is_flag=True,
    help="Measure what transparent huge pages would gain; sets them to always for some seconds, as root.",
)
@click.option("--dovecot", metavar="VERSION", help="Dovecot version of the lab.  [the installed one]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/memory-recommend.json).")
def command() -> None:
    """Recommend the strongest Argon2id for this machine, and Dovecot's limits for it.

    Reads from the Dovecot that runs which process verifies, how large it is, how many may run, which memory
    is free there and how many users it has; an option takes the place of what is read.  Then measures the
    parameters that fit, on as many cores as Dovecot would use.  Changes nothing; if no worker runs yet, a
    lookup of a user who does not exist starts one.

    Without a Dovecot, or with --driver: for a passdb of that driver (passwd-file if not given).
    With --try-huge-pages, also what the kernel's setting of transparent huge pages would change, which is put
    back afterwards.

    \b
    Exit status:  0 recommended   1 nothing fits, or the test failed   2 wrong usage   3 cannot measure
    """
