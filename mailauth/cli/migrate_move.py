"""``mailauth migrate move``."""

from typing import Any

import click

from mailauth.cli.migrate_options import (
    bind_options,
    json_option,
    rate_option,
    store_options,
    users_out_option,
)
from mailauth.cli.shared.command import Command


class _Filled(click.ParamType[Any]):
    """COLUMN=VALUE."""

    name = "fill"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        column, equals, text = str(value).partition("=")
        if not (equals and column.isidentifier()):
            self.fail(f"{value!r} is not COLUMN=VALUE", param, ctx)
        return f"{column}={text}"


@click.command(cls=Command)
@store_options
@click.option("--to", metavar="URL", help="Put the rows into this store, written as for --url.")
@click.option("--to-fd", type=int, metavar="FD", help="Read that URL from this file descriptor.")
@click.option("--to-passdb", type=int, metavar="N", help="Put them into this passdb of the Dovecot.")
@click.option(
    "--to-rows-query", metavar="SQL", help="The target's columns: SELECT user, password FROM table."
)
@click.option(
    "--to-dovecot",
    metavar="VERSION",
    help="Dovecot version that will read the target.  [the source's; with --to-passdb the running one]",
)
@bind_options
@click.option(
    "--fill",
    type=_Filled(),
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Value for another column of the target; %u is the user, %n and %d the parts around the @.",
)
@click.option(
    "--domain",
    default="",
    metavar="DOMAIN",
    help="Add @DOMAIN to names without a domain; OLD=NEW renames one, to merge it into another.",
)
@click.option(
    "--accept-field-loss",
    "accept_fields",
    is_flag=True,
    help="Also move users with extra fields (nologin, allow_nets); these fields are lost.",
)
@click.option("--seal-to", metavar="KEY", help="Encrypt the journal to this key (migrate keygen).")
@rate_option
@users_out_option
@click.option("--apply", "do_it", is_flag=True, help="Add the rows.  Without it they are only counted.")
@json_option
def move() -> None:
    """Add the users of one store to another.

    Works between passwd-file, SQLite, MariaDB, PostgreSQL and directories (the passdb ldap, as source or as
    --to-passdb), in any direction, also where the target has users already.  It reads the users whom the
    password query lets in (conditions such as active = 1 apply), adds to each string the scheme that it has
    by default, and reads back each row that it has added.  Nothing is removed from the source, and no user of
    the target is overwritten: users who are there with another string or in other upper and lower case, or
    twice in the source, are listed and left.

    In a directory a user's entry must exist: mailauth gives it the string if it has none, and makes no
    entries.  --bind-dn names who may write there.

    mailauth migrate undo ID, with the target as --url, removes the added rows that are unchanged.

    \b
    Exit status:  0 all users are there  1 some would be added, or are left and listed; or it ended early
                  2 wrong usage         3 a store does not answer               130 interrupted
    """
