"""``mailauth migrate default-scheme``."""

import click

from mailauth.cli.migrate_options import json_option, rate_option, seal_options
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option

_PAGE = 25_000


@click.command("default-scheme", cls=Command)
@click.argument("scheme", metavar="SCHEME")
@config_option
@pid_option
@click.option("--passdb", type=int, metavar="N", help="Number of the passdb, where there are several.")
@click.option(
    "--rows-query", metavar="SQL", help="The query that lists the rows: SELECT user, password FROM table."
)
@click.option("--prefix", is_flag=True, help="First add {SCHEME} to bare hashes whose format shows it.")
@click.option(
    "--prefix-undecided",
    "every",
    is_flag=True,
    help="Also prefix strings that may be several things; they let in whom they let in today.",
)
@click.option("--origin", metavar="NAME", help="Software that made bare strings: md5, nt, plain ...")
@click.option(
    "--prove",
    metavar="FILE.csv",
    help="CSV of users whose passwords are known: they say what strings are, and log in before and after.",
)
@seal_options
@rate_option
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=_PAGE,
    show_default=True,
    metavar="N",
    help="Rows in one transaction.",
)
@click.option("--apply", "do_it", is_flag=True, help="Write the changes.  Without it they are only shown.")
@json_option
def default_scheme() -> None:
    """Change the default scheme of a passdb, and lock nobody out.

    First every string without {SCHEME} gets the one that counts now; then default_pass_scheme (2.3), scheme=
    of a passwd-file's args (2.3) or default_password_scheme (2.4) is set, validated and reloaded; then it is
    proved: the setting is read back, no string is left that the default decides, and the users of --prove log
    in as before.  Where one of these fails the setting is taken back.  Strings with a scheme are right under
    either default, so logins work whenever it is interrupted or killed: run it again.  mailauth migrate undo
    takes both back.

    \b
    Exit status:  0 done        1 something to do, or rows are in the way, or it was taken back
                  2 wrong usage              3 the store does not answer       130 interrupted
    """
