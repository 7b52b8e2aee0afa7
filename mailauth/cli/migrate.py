"""``mailauth migrate``: change stored hashes, and lose nothing."""

import click

from mailauth.cli.migrate_default_scheme import default_scheme
from mailauth.cli.migrate_import import import_
from mailauth.cli.migrate_ldif import ldif
from mailauth.cli.migrate_move import move
from mailauth.cli.migrate_on_login import on_login
from mailauth.cli.migrate_plan import apply, keygen, plan, status
from mailauth.cli.migrate_undo import undo


@click.group()
def migrate() -> None:
    """Change stored hashes: rename, repair, convert or replace them, with an undo journal."""


for _command in (plan, apply, default_scheme, import_, move, ldif, status, undo, keygen, on_login):
    migrate.add_command(_command)
