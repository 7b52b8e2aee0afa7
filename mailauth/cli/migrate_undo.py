"""``mailauth migrate undo``."""

from pathlib import Path

import click

from mailauth.cli.migrate_options import bind_options, json_option, rate_option, store_options
from mailauth.cli.shared.command import Command


@click.command(cls=Command)
@click.argument("name", metavar="ID")
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
@json_option
def undo() -> None:
    """Restore the old strings where the new ones are unchanged.  Exit status as for apply.

    It is 1 also where some rows were plaintexts that the journal does not hold (--no-undo-for-plaintexts):
    they keep their new strings.
    Without --apply the rows are only looked at and counted.

    A journal knows its store by the server's own identity, or by the file.  Where that is another now, undo
    says what it finds, and --store with those words accepts it.

    After migrate move it removes the rows that were added and are still the same; name the target with --url.

    What migrate default-scheme did to Dovecot's configuration goes back first.  Where the default scheme is
    another one than it was, strings without a scheme are not put back: nobody would get in with them.
    """
