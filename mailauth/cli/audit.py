"""``mailauth audit``."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option, rows_query_option
from mailauth.cli.shared.pictures import picture_option


@click.command(cls=Command)
@config_option
@pid_option
@click.option(
    "--url", metavar="URL", help="Read this store instead: postgresql:, mysql:, sqlite: or passwd-file:"
)
@click.option(
    "--url-fd",
    type=int,
    metavar="FD",
    help="Read the URL, which may hold a password, from this file descriptor.",
)
@click.option("-p", "--ask-password", is_flag=True, help="Ask for the database's password.")
@click.option(
    "--password-fd", type=int, metavar="FD", help="Read the database's password from this file descriptor."
)
@rows_query_option
@click.option("--default-scheme", metavar="NAME", help="With --url: scheme of strings without {SCHEME}.")
@click.option(
    "--dovecot",
    "judge",
    metavar="VERSION",
    help="Judge by this Dovecot version.  [the running one; with --url 2.4.5]",
)
@click.option(
    "--prove",
    metavar="FILE.csv",
    help="CSV user,password of known passwords, which show what strings without {SCHEME} are.",
)
@click.option(
    "--names",
    type=click.IntRange(0, 1000),
    default=5,
    show_default=True,
    help="Users to name for each class of rows.",
    metavar="N",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/audit.json).")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one line for each class of rows.")
@picture_option("a bar chart of the classes of rows")
def audit() -> None:
    """List what a store holds: every row, by scheme, parameters, length and verdict.

    Reads the stores that Dovecot's configuration names, or one given as a URL.  A database counts its own
    rows.  Shows no salt, no digest and no password.  Changes nothing.

    A URL is postgresql://user@host/db, mysql://user@host/db, sqlite:///path or passwd-file:/path.  A
    database also needs --rows-query 'SELECT username AS user, password FROM mailbox'.  Options after ? in the
    URL are passed to the driver.  Give the database's password by -p, --password-fd, --url-fd, PGPASSFILE, or
    ?option_file=~/.my.cnf.

    \b
    Exit status:  0 every row is sound     1 a row is not sound, a user has several rows, a name is
                                             unusual, or no row lets anybody in
                  2 wrong usage            3 a store could not be read
    """
