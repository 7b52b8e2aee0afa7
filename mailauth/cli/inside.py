"""``mailauth inside``: a program of another root, with its rights and not with ours."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import pid_option


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@pid_option
@click.argument("words", nargs=-1, required=True, metavar="PROGRAM [WORD]...", type=click.UNPROCESSED)
def inside() -> None:
    """Run a program, such as doveadm reload, where another Dovecot runs.

    The program gets the user, the capabilities, the namespaces and the limits of that Dovecot, and no
    terminal.  nsenter would run it with all of root's rights on this machine, although the container's owner
    may have replaced the program.

    \b
    Exit status:  the program's own   2 wrong usage   70 a bug in mailauth
    """
