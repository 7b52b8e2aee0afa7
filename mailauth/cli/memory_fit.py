"""``mailauth memory fit``."""

import click

from mailauth.cli.memory_options import hash_argument
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option, rows_query_option

_DRIVERS = ("passwd-file", "pgsql", "ldap", "static", "mysql", "sqlite", "pam", "lua")


@click.command(cls=Command, name="fit")
@hash_argument
@config_option
@pid_option
@rows_query_option
@click.option(
    "--vsz-limit",
    metavar="SIZE",
    help="Without a Dovecot: vsz_limit of the process; 0 or unlimited for none.",
)
@click.option("--driver", type=click.Choice(_DRIVERS), help="Without a Dovecot: driver of the passdb.")
@click.option(
    "--use-worker", is_flag=True, help="Without a Dovecot: judge as with 2.4's passdb_use_worker = yes."
)
@click.option("--idle", metavar="SIZE", help="Without a Dovecot: size of the idle process.  [26M]")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=30,
    help="Without a Dovecot: number of auth-workers.  [30]",
    metavar="N",
)
@click.option("--stdin", is_flag=True, help="Without a Dovecot: read the stored hash from standard input.")
@click.option(
    "--fd",
    type=click.IntRange(min=0),
    metavar="FD",
    help="Without a Dovecot: read the stored hash from this file descriptor.",
)
@click.option(
    "--memory", metavar="M", help="Instead of a hash: Argon2 memory, in KiB (65536) or as a size (64M)."
)
@click.option("--lanes", type=click.IntRange(min=1), metavar="P", help="Argon2 lanes (threads).  [1]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/memory-fit.json).")
def command() -> None:
    """Check whether the hashes in the store fit into the processes that verify them.

    On a server: reads the configuration, counts the parameters of all rows in the store, reads size and
    limits of the processes that verify, and prints the smallest vsz_limit that is enough.  Changes nothing;
    if no worker runs yet, a lookup of a user who does not exist starts one.

    Without a Dovecot: give --vsz-limit, --driver and a HASH (or --stdin, --memory).

    \b
    Exit status:  0 all fits               1 something does not, or would not at peak
                  2 wrong usage            3 something could not be looked at
    """
