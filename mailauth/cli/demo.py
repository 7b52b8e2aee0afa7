"""``mailauth demo``."""

import click


@click.command()
@click.option(
    "--dovecot", metavar="VERSION", help="Dovecot version, as mailauth lab list shows.  [the installed one]"
)
def demo(dovecot: str | None) -> None:
    """Show a failing login, its diagnosis and the fix, on a disposable Dovecot.

    Starts a private Dovecot with an SQLite store in a temporary folder, and removes it again.
    Nothing on this machine is changed.
    """
    from mailauth.cli.demo_run import run  # noqa: PLC0415 - --help needs none of it

    run(dovecot)
