"""``mailauth report``."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, password_options, pid_option, rows_query_option
from mailauth.cli.shared.values import sayable


@click.command(cls=Command)
@click.argument("user", required=False, callback=sayable)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="mailauth-report.html",
    show_default=True,
    metavar="FILE",
    help="Write to this file; - for standard output.",
)
@click.option(
    "--load",
    "loaded",
    metavar="FILE",
    help="Also show this result of mailauth load --json.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--anonymous", is_flag=True, help="Replace the names of users and hosts, and addresses.")
@config_option
@pid_option
@rows_query_option
@password_options
def report() -> None:
    """Write one HTML file with all results about this server, to send to a colleague.

    The file shows what mailauth checkup finds, what the stores hold, and whether the hashes fit into memory;
    with USER also what diagnose USER finds, with --load also the login rate that Dovecot sustains.  It needs
    neither network nor scripts, and can be read on a phone and printed.  It holds no password and no
    hash.  It names users, hosts and addresses; --anonymous replaces these.  Only you can read the
    file.  Nothing else is changed.

    \b
    Exit status:  0 nothing found, all decided    1 something found
                  2 wrong usage or configuration  3 nothing found, something not looked at
                  70 a bug in mailauth
    """
