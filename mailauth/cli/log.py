"""``mailauth log``: who fails, why, how often; works on a copied log, without a Dovecot."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option
from mailauth.cli.shared.values import sayable


@click.command(cls=Command)
@click.argument("user", required=False, callback=sayable)
@config_option
@pid_option
@click.option(
    "--log",
    "logs",
    multiple=True,
    metavar="FILE",
    help="Read this log, - for standard input; repeatable.  Without it: the log that Dovecot writes.",
)
@click.option(
    "--since",
    default="24h",
    show_default=True,
    metavar="TIME",
    help="Period to read, back from the last line: 30m, 24h, 7d, or all.",
)
@click.option("--rotated", is_flag=True, help="Also read the log's rotated files.")
@click.option(
    "--top", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="Rows to show."
)
@click.option(
    "--log-timestamp",
    metavar="FORMAT",
    help="Dovecot's log_timestamp setting, where it was changed.  ['%b %d %H:%M:%S ']",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Stop reading after this time, and say so.  [600]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/from-log.json).")
def log() -> None:
    """Report from Dovecot's log which users fail to log in, why, how often and from where.

    With USER: only that user's failures.  Where Dovecot logs to syslog and no file in /var/log has its lines,
    mailauth reads the journal.  For the users who fail most, it also looks for faults in the
    stored strings, without a password.  A copied log (--log) can be read on a machine without Dovecot, and
    nothing else is looked at.  Changes nothing.

    \b
    Exit status:  0 no failed logins   1 some failed   2 wrong usage
                  3 none seen, but not all of the log could be read   70 a bug in mailauth
    """
