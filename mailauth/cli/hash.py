"""``mailauth hash``: verify and show; ``new`` is in hash_new, ``convert`` in hash_convert."""

import click

from mailauth.cli.hash_convert import convert
from mailauth.cli.hash_new import new
from mailauth.cli.hash_options import (
    EXITS,
    default_option,
    for_option,
    idle_option,
    jobs_option,
    json_option,
    limit_option,
    password_options,
    stored_options,
    user_option,
    weak_option,
)
from mailauth.cli.shared.command import Command


@click.group("hash", epilog=EXITS)
def hash_() -> None:
    """Make, verify, explain and convert password hashes, exactly as Dovecot judges them."""


hash_.add_command(new)
hash_.add_command(convert)


@hash_.command(cls=Command, epilog=EXITS)
@stored_options
@password_options
@user_option
@for_option
@weak_option
@default_option
@limit_option
@idle_option
@click.option(
    "--max-memory",
    metavar="SIZE",
    default="2G",
    show_default=True,
    help="Refuse hashes that need more memory.",
)
@click.option(
    "--max-seconds",
    type=float,
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="Refuse hashes that would take longer, in seconds.",
)
@json_option
@jobs_option
def verify() -> None:
    """Verify a password as Dovecot would, and say why it fails.

    Other users of this machine can see the stored string while it is an argument; --stored-fd, "-"
    and --batch avoid that. A string without {SCHEME} is malformed unless --default-scheme is given.
    """


@hash_.command(cls=Command, epilog=EXITS)
@stored_options
@for_option
@weak_option
@default_option
@json_option
@jobs_option
def show() -> None:
    """Explain a stored string, and what is wrong with it.

    Says which scheme it is, how much memory it needs, and which Dovecot versions read it.  Prints neither
    salt nor digest, except in a repaired string.
    """
