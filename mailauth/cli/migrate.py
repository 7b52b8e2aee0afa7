"""``mailauth migrate``: change stored hashes, and lose nothing."""

from typing import Any

import click

from mailauth import bounded
from mailauth.cli.migrate_default_scheme import default_scheme
from mailauth.cli.migrate_import import import_
from mailauth.cli.migrate_ldif import ldif
from mailauth.cli.migrate_move import move
from mailauth.cli.migrate_on_login import on_login
from mailauth.cli.migrate_plan import apply, keygen, plan, status
from mailauth.cli.migrate_undo import undo
from mailauth.errors import CannotObserve


class _Bounded(click.Group):
    """In bounded memory.  The service of on-login has its unit's bound, and computes hashes itself."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        found = super().resolve_command(ctx, args)
        if found[1] is not on_login:
            ctx.with_resource(bounded.memory())
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MemoryError:
            raise CannotObserve(f"the store: {bounded.TOO_MUCH}.") from None


@click.group(cls=_Bounded)
def migrate() -> None:
    """Change stored hashes: rename, repair, convert or replace them, with an undo journal."""


for _command in (plan, apply, default_scheme, import_, move, ldif, status, undo, keygen, on_login):
    migrate.add_command(_command)
