"""``mailauth hash``: verify and show; ``new`` and ``convert`` are modules that are imported when called."""

import importlib

import click

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

_LATER = (("new", "mailauth.cli.hash_new"), ("convert", "mailauth.cli.hash_convert"))


class _Hashes(click.Group):
    """A group that imports those when they are called, or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *(name for name, _ in _LATER)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:  # for a name that there is not, too: Click suggests another
            for name, module in _LATER:
                self.add_command(getattr(importlib.import_module(module), name))
        return super().get_command(ctx, cmd_name)


@click.group("hash", cls=_Hashes, epilog=EXITS)
def hash_() -> None:
    """Make, verify, explain and convert password hashes, exactly as Dovecot judges them."""


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
