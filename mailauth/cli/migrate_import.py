"""``mailauth migrate import``."""

import os
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from mailauth.cli.hash_options import opened as opened_file
from mailauth.cli.migrate_journal import Sealing, fresh_journal, seal_options
from mailauth.cli.migrate_loss import loss_option
from mailauth.cli.migrate_options import (
    goal_options,
    rate_option,
    scheme_options,
    store_options,
    users_out_option,
)
from mailauth.cli.migrate_plan import flush, hashers_of, where_of, workers_of
from mailauth.cli.migrate_stop import Stop
from mailauth.cli.shared.progress import changing
from mailauth.errors import UsageError

if TYPE_CHECKING:
    from mailauth.hashes.csv_rows import Dialect
    from mailauth.migrate.bulk import Imported
    from mailauth.migrate.journal import Head
    from mailauth.migrate.pace import Pace
    from mailauth.migrate.where import Where
    from mailauth.stores.swaps import Table

_PAGE = 256


@click.command("import")
@click.argument("file", metavar="FILE.csv|-")
@store_options
@scheme_options
@click.option("--verify-only", is_flag=True, help="Only report which passwords match.")
@click.option(
    "--set",
    "overwrite",
    is_flag=True,
    help="Also set the hash where the password does not match or the row has none.",
)
@click.option(
    "--long-passwords",
    type=click.Choice(["leave", "as-listed"]),
    default="leave",
    show_default=True,
    help="Passwords longer than the old scheme reads (bcrypt 72 bytes, DES 8).",
)
@click.option(
    "--apply",
    "do_it",
    is_flag=True,
    help="Write the new hashes.  Without it the passwords are only verified.",
)
@seal_options
@rate_option
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=_PAGE,
    show_default=True,
    metavar="N",
    help="Rows in one transaction.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Processes that make hashes.  [one for each core]",
    metavar="N",
)
@click.option("--dask", metavar="ADDRESS", help="Make hashes on this Dask cluster, such as tls://host:8786.")
@loss_option
@click.option(
    "--encoding", metavar="NAME", help="Encoding of FILE.csv, if it is not UTF-8: cp1252, utf-16, ..."
)
@click.option(
    "--delimiter", metavar="CHAR", help='Between the columns; "tab" for a tab. Default: as line 1 has it.'
)
@click.option(
    "--quote", metavar="CHAR", default='"', show_default=True, help='Around a field; "none" for none.'
)
@click.option(
    "--user-column", metavar="NAME|N", default="", help="The column of the user, by name or number."
)
@click.option("--password-column", metavar="NAME|N", default="", help="The column of the password.")
@users_out_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/migrate-import.json).")
def import_(
    file: str,
    scheme: str,
    profile: str,
    cost: int | None,
    rounds: int | None,
    verify_only: bool,
    overwrite: bool,
    long_passwords: str,
    do_it: bool,
    seal_to: str | None,
    no_plaintexts: bool,
    rate: "Pace | None",
    batch: int,
    jobs: int | None,
    dask: str | None,
    accept_loss: bool,
    encoding: str | None,
    delimiter: str | None,
    quote: str,
    user_column: str,
    password_column: str,
    users_out: Path | None,
    as_json: bool,
    **named: Any,
) -> None:
    """Make new hashes for the users of a CSV file, from the passwords that it has.

    FILE.csv has a user and a password on each line; a first line that names them may put them in other
    columns, as exports of Google Workspace, Microsoft 365, cPanel, Plesk, hMailServer and MDaemon do.  It is
    UTF-8, begins with a byte order mark, or --encoding names its encoding: passwords are hashed in UTF-8, as
    mail clients send them ("bytes" hashes them byte for byte).

    A user's row gets a new hash only where the password matches what is stored, also where that is a hash of
    other software (phpass, WordPress, Django, Drupal, MySQL, hMailServer, ...).
    Without --apply the list is only verified, and the hashes counted that would be made.

    It can be interrupted and killed: run it again; users who are done are skipped.  mailauth migrate undo
    takes it back, as it does for apply.

    \b
    Exit status:  0 all fine           1 some lines were left, and are named; or it ended early
                  2 wrong usage        3 the store or the cluster does not answer       130 interrupted
    """
    from mailauth.migrate import bulk, import_list  # noqa: PLC0415 - --help needs none of it
    from mailauth.migrate.apply import must_be_possible  # noqa: PLC0415
    from mailauth.migrate.check import Check  # noqa: PLC0415
    from mailauth.migrate.goal import Goal  # noqa: PLC0415
    from mailauth.migrate.mechanisms import question  # noqa: PLC0415
    from mailauth.migrate.named import as_written, named_by  # noqa: PLC0415
    from mailauth.migrate.users_out import opened as listed  # noqa: PLC0415
    from mailauth.migrate.where import opened  # noqa: PLC0415

    if verify_only and (do_it or overwrite):
        raise UsageError("--verify-only changes nothing: leave out --apply and --set.")
    dialect = _dialect(delimiter, quote, user_column, password_column)
    goal = Goal(scheme.upper(), tuple(goal_options(scheme, profile, cost, rounds).items()))
    where = where_of(named, goal)
    assert where.order
    hashing = (workers_of if verify_only else hashers_of)(where.order, goal, jobs, dask)
    check = Check(
        goal=None if verify_only else goal,
        order=where.order,
        reader=where.reader,
        making=do_it,
        overwrite=overwrite,
        long_too=long_passwords == "as-listed",
        mechanisms=() if accept_loss else where.offered,
    )
    naming, report = named_by(*where.passdb) if where.passdb else as_written, bulk.Imported()
    rate = rate if do_it else None  # of rows that are changed
    with ExitStack() as stack:
        source = stack.enter_context(opened_file(file))
        report.each = stack.enter_context(listed(users_out))
        _warned(source, file)
        users = stack.enter_context(import_list.opened(source, naming, report.add, encoding, dialect))
        report.lines = users.lines
        table = opened(where)
        stack.callback(table.close)
        workers = stack.enter_context(hashing)
        assert workers
        if do_it:
            must_be_possible(table)
        seal = Sealing(seal_to, no_plaintexts)
        journal = _journal(where, table, goal, seal, overwrite) if do_it else None
        if journal:
            stack.callback(journal.close)
        if where.passdb is None and not (verify_only or accept_loss) and (asked := question(goal.scheme)):
            click.echo(f"mailauth: {asked}", err=True)
        tell, stop = stack.enter_context(changing(users.lines)), stack.enter_context(Stop())
        bulk.Import(
            table, users, naming, check, workers, journal, report, tell, stop.asked, batch, rate
        ).run()
    flush(where, named, report.new if do_it else 0)
    _told(report, table.place, journal.head if journal else None, as_json, verify_only)


def _dialect(delimiter: str | None, quote: str, user: str, password: str) -> "Dialect":
    """Raises UsageError."""
    from mailauth.hashes.csv_rows import Dialect  # noqa: PLC0415 - --help needs none of it

    between = {None: "", "tab": "\t", "\\t": "\t"}.get(delimiter, delimiter or "")
    around = "" if quote == "none" else quote
    if len(between) > 1 or len(around) > 1:
        raise UsageError("--delimiter and --quote take one character each, or the words tab and none.")
    if bool(user) != bool(password):
        raise UsageError("--user-column and --password-column go together.")
    return Dialect(between, around, user, password)


def _warned(source: BinaryIO, name: str) -> None:
    """Passwords are for their owner's eyes."""
    status = os.fstat(source.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        click.echo(
            f"mailauth: warning: {name} holds passwords, and others may read it (mode {mode:04o}): chmod 600",
            err=True,
        )


def _journal(where: "Where", table: "Table", goal: object, seal: Sealing, overwrite: bool) -> Any:
    import msgspec  # noqa: PLC0415

    rules = msgspec.json.encode({"import": goal, "set": overwrite}).decode()
    return fresh_journal(where, table, rules, seal)


def _told(report: "Imported", place: str, head: "Head | None", as_json: bool, verifying: bool) -> None:
    from mailauth.migrate.journal import own_key  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415
    from mailauth.render.migrate_import import import_report, import_text  # noqa: PLC0415

    name = head.id if head else ""
    if as_json:
        click.echo(to_json(import_report(report, place, name)))
    else:
        key = str(own_key(head) or "") if head else ""
        click.echo(import_text(report, place, name, verifying=verifying, key=key), nl=False)
    if report.stopped:
        sys.exit(130)
    if report.no_store:
        sys.exit(3)
    sys.exit(1 if report.problem or report.left else 0)
