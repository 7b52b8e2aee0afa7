"""``mailauth demo``."""

import click

from mailauth.cli.shared.command import Command


@click.command(cls=Command)
@click.option(
    "--dovecot", metavar="VERSION", help="Dovecot version, as mailauth lab list shows.  [the installed one]"
)
def demo() -> None:
    """Show a failing login, its diagnosis and the fix, on a disposable Dovecot.

    Starts a private Dovecot with an SQLite store in a temporary folder, and removes it again.
    Nothing on this machine is changed.
    """
