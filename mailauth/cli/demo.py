"""``mailauth demo``."""

import click


@click.command()
@click.option(
    "--dovecot", metavar="VERSION", help="Another Dovecot than the one installed (mailauth lab list)."
)
def demo(dovecot: str | None) -> None:
    """Show the incident, the diagnosis and the mended login, on a Dovecot of its own.

    Starts a private Dovecot with an SQLite store in a temporary folder, and removes it again.
    Nothing on this machine is changed.
    """
    from mailauth.cli.demo_run import run  # noqa: PLC0415 - --help needs none of it

    run(dovecot)
