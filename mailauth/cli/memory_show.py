"""``mailauth memory show``."""

import click

from mailauth.cli.memory_options import hash_argument
from mailauth.cli.shared.command import Command


@click.command(cls=Command, name="show")
@hash_argument
@click.option("--stdin", is_flag=True, help="Read the stored hash from standard input.")
@click.option(
    "--fd", type=click.IntRange(min=0), metavar="FD", help="Read the stored hash from this file descriptor."
)
@click.option(
    "--memory", metavar="M", help="Instead of a hash: Argon2 memory, in KiB (65536) or as a size (64M)."
)
@click.option("--time", type=click.IntRange(min=1), metavar="T", help="Argon2 passes.  [1]")
@click.option("--lanes", type=click.IntRange(min=1), metavar="P", help="Argon2 lanes (threads).  [1]")
@click.option(
    "--measure", "wanted", is_flag=True, help="Also measure it, with the library that Dovecot calls."
)
@click.option(
    "--runs",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Runs whose time is measured.",
    metavar="N",
)
@click.option("--library", metavar="FILE", help="Measure with this libsodium or libcrypt.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/memory-show.json).")
def command() -> None:
    """Show the memory that verifying HASH needs on top of the idle process, to the byte.

    HASH is a stored string such as {ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$...; other users of this
    machine can see arguments, so prefer --stdin.  With --measure another hash with the same parameters is
    verified in a new child process, and the need is measured in two ways, by VmPeak and by RLIMIT_AS.

    \b
    Exit status:  0 shown    2 wrong usage    3 could not be measured
    """
