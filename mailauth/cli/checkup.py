"""``mailauth checkup``: the server and every row of its stores, without a user."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option, rows_query_option


@click.command(cls=Command)
@config_option
@pid_option
@click.option(
    "--as-if",
    metavar="VERSION",
    help="Judge the configuration and the rows as this Dovecot version would.",
)
@rows_query_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/diagnosis.json).")
def checkup() -> None:
    """Check the whole server: its settings, ports, certificates, logs and every row of its stores.

    Needs no user and no password, and changes nothing.  With --as-if it reports what an upgrade to that
    version of Dovecot breaks, and for whom.

    \b
    Exit status:  0 nothing found, all decided    1 something found
                  2 wrong usage or configuration  3 nothing found, something undecided
                  70 a bug in mailauth
    """
