"""``mailauth migrate undo``."""

from pathlib import Path

import click

from mailauth.cli.migrate_options import (
    bind_options,
    json_option,
    rate_option,
    store_options,
    users_out_option,
)
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.completing import kept


@click.command(cls=Command)
@click.argument("name", metavar="ID", shell_complete=kept("migrate"))
@store_options
@bind_options
@click.option("--store", metavar="STORE", help="Where the store is now, if it was moved, copied or renamed.")
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="File with the private key, if the journal was encrypted with --seal-to.",
    metavar="FILE",
)
@rate_option
@click.option(
    "--apply", "do_it", is_flag=True, help="Write the old strings back.  Without it they are only counted."
)
@users_out_option
@json_option
def undo() -> None:
    """Restore the old strings where the new ones are unchanged.

    Without --apply the rows are only read and counted.

    A journal records which store it belongs to, by the server's identity or by the file.  If undo finds
    another store, it prints what it found; repeat that as --store if it is the right one.

    After migrate move it removes the added rows that are unchanged; name the target with --url.

    A change by migrate default-scheme to Dovecot's configuration is taken back first.  If the default scheme
    is not the one of that time, strings without a scheme are not restored: with them, nobody could log in.

    \b
    Exit status:  as for apply; 1 also if some rows were plaintexts that the journal does not hold
                  (--no-undo-for-plaintexts), which keep their new strings
    """
