"""``mailauth migrate``: change stored hashes, and lose nothing."""

import click

from mailauth.cli.migrate_on_login import on_login


@click.group()
def migrate() -> None:
    """Change stored hashes: rename, mend, convert or make them anew, and lose nothing."""


migrate.add_command(on_login)
