"""``mailauth migrate move``."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailauth.cli.migrate_journal import Sealing, fresh_journal, must_be_of
from mailauth.cli.migrate_on_login import json_option
from mailauth.cli.migrate_options import rate_option, store_options, users_out_option
from mailauth.cli.migrate_plan import told, where_of
from mailauth.cli.migrate_stop import Stop
from mailauth.cli.shared.given import words
from mailauth.cli.shared.progress import changing
from mailauth.errors import Refused, UsageError

if TYPE_CHECKING:
    from mailauth.migrate.journal import Head
    from mailauth.migrate.move import Moving
    from mailauth.migrate.pace import Pace
    from mailauth.migrate.where import Where
    from mailauth.stores.adding import Target


class _Filled(click.ParamType[Any]):
    """COLUMN=VALUE."""

    name = "fill"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:
        column, equals, text = str(value).partition("=")
        if not (equals and column.isidentifier()):
            self.fail(f"{value!r} is not COLUMN=VALUE", param, ctx)
        return column, text


@click.command()
@store_options
@click.option("--to", metavar="URL", help="Put the rows into this store, written as for --url.")
@click.option("--to-fd", type=int, metavar="FD", help="Read that URL from this file descriptor.")
@click.option("--to-passdb", type=int, metavar="N", help="Put them into this passdb of the same Dovecot.")
@click.option(
    "--to-rows-query", metavar="SQL", help="The target's columns: SELECT user, password FROM table."
)
@click.option(
    "--fill",
    type=_Filled(),
    multiple=True,
    metavar="COLUMN=VALUE",
    help="What another column of the target gets; %u, %n and %d are the user's name and its parts.",
)
@click.option("--domain", default="", metavar="DOMAIN", help="Add @DOMAIN to names without a domain.")
@click.option(
    "--accept-field-loss",
    "accept_fields",
    is_flag=True,
    help="Also move users with other fields (nologin, allow_nets), which are lost.",
)
@click.option("--seal-to", metavar="KEY", help="Encrypt the journal to this key (migrate keygen).")
@rate_option
@users_out_option
@click.option("--apply", "do_it", is_flag=True, help="Add the rows.  Without it they are only counted.")
@json_option
def move(
    to: str | None,
    to_fd: int | None,
    to_passdb: int | None,
    to_rows_query: str | None,
    fill: tuple[tuple[str, str], ...],
    domain: str,
    accept_fields: bool,
    seal_to: str | None,
    rate: "Pace | None",
    users_out: Path | None,
    do_it: bool,
    as_json: bool,
    **named: Any,
) -> None:
    """Add the users of one store to another: passwd-file, SQLite, MariaDB or PostgreSQL, in any direction.

    Moves and merges alike.  Those whom the password query lets in are read (conditions such as active = 1
    hold), each string gets the scheme that counts for it, and each row is read back in the transaction that
    adds it.  Nobody who is there is written over: names with another string, in other letters, or twice in
    the source are listed and left.  Nothing is removed from the source.  mailauth migrate undo ID, with the
    target as --url, removes what was added and is still the same.

    \b
    Exit status:  0 all are there       1 some would be added, or are left and listed; or it ended early
                  2 wrong usage         3 a store does not answer               130 interrupted
    """
    from mailauth.migrate import move as moving  # noqa: PLC0415 - --help needs none of it
    from mailauth.migrate.users_out import opened  # noqa: PLC0415
    from mailauth.stores.adding import target_of  # noqa: PLC0415
    from mailauth.stores.listing import listed  # noqa: PLC0415

    where, there = where_of(named, None), _target(named, to, to_fd, to_passdb, to_rows_query)
    if where.dovecot.pid or there.dovecot.pid:
        raise UsageError("a store in another root: run this there, or name both with --url and --to.")
    target = target_of(there.source, dict(fill))
    try:
        with opened(users_out) as each:
            rows = listed(where.source)
            found = moving.plan(
                rows, where.reader, target, domain, each, reads=there.reader, accept_fields=accept_fields
            )
        if not found.kinds:
            raise Refused(f"{where.label}: nobody is in it.")
        if not do_it:
            _show(found, where, as_json)
        _carry_out(found, where, there, target, Sealing(seal_to, False), rate, as_json)
    finally:
        target.close()


def _target(
    named: dict[str, Any], to: str | None, to_fd: int | None, number: int | None, query: str | None
) -> "Where":
    """Raises UsageError."""
    if sum(one is not None for one in (to, to_fd, number)) != 1:
        raise UsageError("say where to: --to URL, --to-fd FD or --to-passdb N.")
    own = dict.fromkeys(named) | {"rows_query": query}
    if number is not None:
        if named["url"] is not None or named["url_fd"] is not None:
            raise UsageError("--to-passdb is for the passdbs of one Dovecot: leave out --url.")
        return where_of(own | {"config": named["config"], "pid": named["pid"], "passdb": number}, None)
    return where_of(own | {"url": to, "url_fd": to_fd}, None)


def _show(found: "Moving", where: "Where", as_json: bool) -> None:
    """Ends the program."""
    from mailauth.render.json import to_json  # noqa: PLC0415 - --help needs none of it
    from mailauth.render.migrate import move_text  # noqa: PLC0415

    data = {"place": found.place, "kinds": found.kinds, "notes": found.notes}
    again = shlex.join(["mailauth", "migrate", "move", *words("as_json", "users_out"), "--apply"])
    text = move_text(found, f"{where.label}; what has no {{SCHEME}} is {where.reader.default_scheme}", again)
    click.echo(to_json(data) if as_json else text, nl=as_json)
    if where.assumed and not as_json:
        click.echo(where.assumed)
    sys.exit(1 if found.swaps or found.left else 0)


def _carry_out(
    found: "Moving",
    where: "Where",
    there: "Where",
    target: "Target",
    seal: Sealing,
    rate: "Pace | None",
    as_json: bool,
) -> None:
    """Ends the program."""
    from mailauth.migrate import move as moving  # noqa: PLC0415 - --help needs none of it

    journal = fresh_journal(there, target, f'["move", "from", {where.label!a}]', seal)
    journal.head = replace(journal.head, kind=moving.KIND)
    journal.save()
    try:
        with changing(len(found.swaps)) as tell, Stop() as stop:
            report = moving.Mover(target, journal, tell, stop.asked, rate).run(found.swaps)
    finally:
        journal.close()
    for one in found.kinds:
        if one.why:
            report.failed += one.rows
            report.reasons[one.why] += one.rows
            report.note("left", one.users)
    told(report, journal.head, as_json)


def undo_move(
    head: "Head", where: "Where", key: Path | None, store: str | None, *, do_it: bool, as_json: bool
) -> None:
    """Ends the program where it is only shown."""
    from mailauth.migrate import journal as journals  # noqa: PLC0415 - --help needs none of it
    from mailauth.migrate import move as moving  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415
    from mailauth.render.migrate import removal_text  # noqa: PLC0415
    from mailauth.stores.adding import target_of  # noqa: PLC0415

    damaged: list[int] = []
    batches = journals.entries(head.id, key, damaged)
    target = target_of(where.source, {})
    try:
        must_be_of(head, where, target, store)
        if not do_it:
            found = moving.taken_back(target, batches, damaged, None, lambda: False)
            data = {"id": head.id, "state": head.state, "report": found}
            click.echo(to_json(data) if as_json else removal_text(found, head), nl=as_json)
            sys.exit(1 if found.changed or found.unreadable else 0)
        journal = journals.reopened(head.id)
        try:
            with Stop() as stop:
                report = moving.taken_back(target, batches, damaged, journal, stop.asked)
        finally:
            journal.close()
    finally:
        target.close()
    told(report, journal.head, as_json)
