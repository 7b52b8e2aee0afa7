"""``mailauth migrate default-scheme``."""

from pathlib import Path

import click

from mailauth.cli.migrate_options import batch_option, json_option, rate_option, seal_options
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option

_PAGE = 25_000


@click.command("default-scheme", cls=Command)
@click.argument("scheme", metavar="SCHEME")
@config_option
@pid_option
@click.option("--passdb", type=int, metavar="N", help="Number of the passdb, where there are several.")
@click.option(
    "--rows-query", metavar="SQL", help="Query that lists the rows: SELECT user, password FROM table."
)
@click.option("--prefix", is_flag=True, help="First add {SCHEME} to hashes whose format shows it.")
@click.option(
    "--prefix-undecided",
    "every",
    is_flag=True,
    help="Also prefix strings whose format is ambiguous; the same passwords go on working.",
)
@click.option(
    "--origin", metavar="NAME", help="Software that made strings without {SCHEME}: md5, nt, plain ..."
)
@click.option(
    "--prove",
    metavar="FILE.csv",
    help="CSV user,password of known passwords: they show what strings are, and log in before and after.",
)
@seal_options
@rate_option
@batch_option(_PAGE)
@click.option("--apply", "do_it", is_flag=True, help="Write the changes.  Without it they are only shown.")
@click.option(
    "--users-out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write each user who prevents the change to this .csv or .json file, mode 0600.",
)
@json_option
def default_scheme() -> None:
    """Change the default scheme of a passdb safely.

    First every string without {SCHEME} gets the scheme that is the default now.  Then default_pass_scheme
    (2.3), scheme= of a passwd-file's args (2.3) or default_password_scheme (2.4) is set, validated and
    reloaded.  Then three checks are made: the setting is read back, no string depends on the default any
    more, and the users of --prove log in as before.  If one of these fails, the setting is taken back.

    Strings with a scheme work under either default, so no login fails if it is interrupted or killed; run it
    again.  mailauth migrate undo takes the strings and the setting back.

    \b
    Exit status:  0 done        1 something to do, some rows prevent it, or it was taken back
                  2 wrong usage              3 the store does not answer       130 interrupted
    """
