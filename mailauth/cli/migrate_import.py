"""``mailauth migrate import``."""

import click

from mailauth.cli.migrate_options import (
    batch_option,
    bind_options,
    loss_option,
    rate_option,
    scheme_options,
    seal_options,
    store_options,
    users_out_option,
)
from mailauth.cli.shared.command import Command

_PAGE = 256


@click.command("import", cls=Command)
@click.argument("file", metavar="FILE.csv|-")
@store_options
@bind_options
@scheme_options
@click.option("--verify-only", is_flag=True, help="Only report which passwords match.")
@click.option(
    "--set",
    "overwrite",
    is_flag=True,
    help="Also set the hash where the password does not match or the row has none.",
)
@click.option(
    "--long-passwords",
    type=click.Choice(["leave", "as-listed"]),
    default="leave",
    show_default=True,
    help="What to do where a password is longer than the old scheme reads (bcrypt 72 bytes, DES 8).",
)
@click.option(
    "--apply",
    "do_it",
    is_flag=True,
    help="Write the new hashes.  Without it the passwords are only verified.",
)
@seal_options
@rate_option
@batch_option(_PAGE)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Processes that make hashes.  [one for each core]",
    metavar="N",
)
@click.option("--dask", metavar="ADDRESS", help="Make hashes on this Dask cluster, such as tls://host:8786.")
@loss_option
@click.option(
    "--encoding", metavar="NAME", help="Encoding of FILE.csv, if it is not UTF-8: cp1252, utf-16, ..."
)
@click.option(
    "--delimiter", metavar="CHAR", help='Character between columns; "tab" for a tab.  [as in line 1]'
)
@click.option(
    "--quote",
    metavar="CHAR",
    default='"',
    show_default=True,
    help='Character around a field; "none" for none.',
)
@click.option("--user-column", metavar="NAME|N", default="", help="Column of the user, by name or number.")
@click.option(
    "--password-column", metavar="NAME|N", default="", help="Column of the password, by name or number."
)
@users_out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/migrate-import.json).")
def import_() -> None:
    """Make new hashes from a CSV file of users and passwords.

    FILE.csv has a user and a password on each line.  A header line may name other columns, as in exports of
    Google Workspace, Microsoft 365, cPanel, Plesk, hMailServer and MDaemon.  The file is UTF-8, begins with
    a byte order mark, or has the encoding that --encoding names.  Passwords are hashed in UTF-8, as mail
    clients send them; --encoding bytes hashes them byte for byte.

    A user's row gets a new hash only if the password matches what is stored; that may be a hash of other
    software (phpass, WordPress, Django, Drupal, MySQL, hMailServer, ...).  Without --apply the passwords are
    only verified, and the new hashes are counted.

    You can interrupt or kill it; run it again, and users who are done are skipped.  mailauth migrate undo
    takes the changes back.

    \b
    Exit status:  0 all lines done     1 some lines were left, and are listed; or it ended early
                  2 wrong usage        3 the store or the cluster does not answer       130 interrupted
    """
