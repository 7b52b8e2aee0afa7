"""``mailauth inside``: a program of another root, with its rights and not with ours."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import pid_option


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@pid_option
@click.argument("words", nargs=-1, required=True, metavar="PROGRAM [WORD]...", type=click.UNPROCESSED)
def inside() -> None:
    """Run a program where another Dovecot lives, such as doveadm reload, as mailauth itself does it.

    It gets the user, the capabilities, the namespaces and the limits of that Dovecot, and no terminal.
    nsenter would give it all of root's rights here, and the owner of that root may have replaced it.

    \b
    Exit status:  the program's own   2 wrong usage   70 a bug in mailauth
    """
