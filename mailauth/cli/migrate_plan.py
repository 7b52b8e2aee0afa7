"""``mailauth migrate``: plan, apply, status, keygen."""

from pathlib import Path

import click

from mailauth.cli.migrate_options import (
    bind_options,
    json_option,
    loss_option,
    rate_option,
    rule_options,
    seal_options,
    store_options,
    users_out_option,
)
from mailauth.cli.shared.command import Command

_PLANNING = 600.0  # seconds of a plan


@click.command(cls=Command)
@store_options
@bind_options
@rule_options
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=1),
    default=_PLANNING,
    show_default=True,
    metavar="SECONDS",
    help="Stop reading after this time, and report how many rows were read.",
)
@users_out_option
@json_option
def plan() -> None:
    """Show how many stored strings would change, and how.

    Reads every row, shows examples, changes nothing.  The rules are applied in this order: trim, prefix,
    relabel, convert, mend, prefix-default, rehash, or in the order of the TOML file; each gets the result of
    the one before.

    A string whose format is ambiguous (hex digits, 13 characters, hex:salt, base64) is left and listed.
    --origin says which software made such strings; --prove finds it out with known passwords.  That file has
    a user and a password on each line, and nobody else may read it; "-" is standard input.

    \b
    Exit status:  0 nothing to change        1 something to change, or rows that stay broken or undecided
                  2 wrong usage              3 the store could not be read
    """


@click.command(cls=Command)
@store_options
@bind_options
@rule_options
@click.option("--apply", "do_it", is_flag=True, help="Write the changes.  Without it they are only shown.")
@click.option("--resume", metavar="ID", help="Continue the interrupted migration with this ID.")
@seal_options
@rate_option
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Rows in one transaction.  [100 with --rate auto, 512 with --rehash, else 1000 to 100000 by store]",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Processes that make hashes.  [one for each core]", metavar="N"
)
@click.option("--dask", metavar="ADDRESS", help="Make hashes on this Dask cluster, such as tls://host:8786.")
@loss_option
@users_out_option
@json_option
def apply() -> None:
    """Carry out the plan in batches.

    A row that changed meanwhile is left alone.  You can interrupt it (Ctrl-C stops after the current batch)
    or kill it; --resume continues.  mailauth migrate undo takes the changes back.

    The journal of what was changed holds old plaintexts, too.  It is encrypted to a key beside it that only
    root can read, or to the key of --seal-to; with --no-undo-for-plaintexts it holds no plaintext.

    \b
    Exit status:  0 all done, and a plan made now would find nothing
                  1 some rows are left: changed meanwhile, locked, refused, ambiguous or broken;
                    --json counts each; or it ended early
                  2 wrong usage      3 the store does not answer (any more)       130 interrupted
    """


@click.command(cls=Command)
@json_option
def status() -> None:
    """List the migrations and how far each got.

    \b
    Exit status:  0 listed     1 a journal is damaged     3 root's journals could not be read
    """


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
def keygen() -> None:
    """Make a key pair for encrypted journals.

    Writes the private key to FILE and prints the public key, for --seal-to.  Keep FILE away from this server:
    only an undo needs it.
    """
