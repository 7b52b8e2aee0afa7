"""What ``migrate_import`` does; its options are in ``migrate_import.py``."""

import os
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from mailauth.cli.migrate_journal import Sealing, fresh_journal, taking_back
from mailauth.cli.migrate_plan_run import flush, hashers_of, where_of, workers_of
from mailauth.cli.migrate_scheme import new_hashes
from mailauth.cli.migrate_silent import answering
from mailauth.cli.migrate_stop import Stop
from mailauth.cli.shared.files import opened as opened_file
from mailauth.cli.shared.given import without
from mailauth.cli.shared.progress import changing
from mailauth.errors import UsageError
from mailauth.hashes.csv_rows import Dialect
from mailauth.hashes.making import options_of
from mailauth.migrate import bulk, import_list
from mailauth.migrate.apply import must_be_possible
from mailauth.migrate.bulk import Imported
from mailauth.migrate.computed import must_be_as_it_is
from mailauth.migrate.goal import Goal
from mailauth.migrate.journal import Head, own_key
from mailauth.migrate.listed_user import Check
from mailauth.migrate.mechanisms import question
from mailauth.migrate.named import as_written, named_by
from mailauth.migrate.pace import Pace
from mailauth.migrate.users_out import opened as listed
from mailauth.migrate.where import Where, opened
from mailauth.render.json import to_json
from mailauth.render.migrate_import import import_report, import_text
from mailauth.stores.swaps import Table

_OF_NEW_HASHES = ("scheme", "profile", "cost", "rounds", "long_passwords", "accept_loss")
_OF_CHANGES = ("seal_to", "no_plaintexts", "rate")


def import_(
    file: str,
    verify_only: bool,
    overwrite: bool,
    long_passwords: str,
    do_it: bool,
    seal_to: str | None,
    no_plaintexts: bool,
    rate: Pace | None,
    batch: int,
    jobs: int | None,
    dask: str | None,
    accept_loss: bool,
    users_out: Path | None,
    as_json: bool,
    **named: Any,
) -> None:
    _one_way(named["scheme"], verify_only=verify_only, changes=do_it or overwrite)
    dialect, goal = _dialect(named), _goal(named)
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
    with ExitStack() as stack:
        source = stack.enter_context(opened_file(file))
        report.each = stack.enter_context(listed(users_out))
        _warned(source, file)
        users = stack.enter_context(
            import_list.opened(source, naming, report.add, named["encoding"], dialect)
        )
        report.lines = users.lines
        with answering():
            table = opened(where)
        stack.callback(table.close)
        workers = stack.enter_context(hashing)
        assert workers
        with answering():
            must_be_as_it_is(where, table)
            if do_it:
                must_be_possible(table)
        journal = _journal(where, table, goal, Sealing(seal_to, no_plaintexts), overwrite) if do_it else None
        if journal:
            stack.callback(journal.close)
        if not (where.passdb or verify_only or accept_loss):
            _asked(goal)
        pace = rate if do_it else None  # of rows that are changed
        tell = stack.enter_context(changing(users.lines, pace.says if pace else None))
        asks = stack.enter_context(Stop()).asked
        bulk.Import(table, users, naming, check, workers, journal, report, tell, asks, batch, pace).run()
    flush(where, named, report.new if do_it else 0)
    _told(report, table.place, journal.head if journal else None, as_json, check.goal)


def _asked(goal: Goal) -> None:
    if asked := question(goal.scheme):
        click.echo(f"mailauth: {asked}", err=True)


def _one_way(scheme: str, *, verify_only: bool, changes: bool) -> None:
    """Raises UsageError for an option that another one leaves without a use."""
    if verify_only and changes:
        raise UsageError("--verify-only changes nothing: leave out --apply and --set.")
    if verify_only:
        without("migrate import --verify-only", *_OF_NEW_HASHES, *_OF_CHANGES)
    new_hashes("migrate import", scheme)


def _goal(named: dict[str, Any]) -> Goal:
    made = options_of(named["scheme"], named["profile"], named["cost"], named["rounds"])
    return Goal(named["scheme"].upper(), tuple(made.items()))


def _dialect(named: dict[str, Any]) -> Dialect:
    """Raises UsageError."""
    delimiter, quote = named["delimiter"], named["quote"]
    user, password = named["user_column"], named["password_column"]
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


def _journal(where: Where, table: Table, goal: object, seal: Sealing, overwrite: bool) -> Any:
    rules = msgspec.json.encode({"import": goal, "set": overwrite}).decode()
    return fresh_journal(where, table, rules, seal)


def _told(report: Imported, place: str, head: Head | None, as_json: bool, goal: Goal | None) -> None:
    name = head.id if head else ""
    if as_json:
        click.echo(to_json(import_report(report, place, name)))
    else:
        key = str(own_key(head) or "") if head else ""
        back = taking_back(name) if name else ""
        click.echo(import_text(report, place, back, goal=goal, key=key), nl=False)
    if report.stopped:
        sys.exit(130)
    if report.no_store:
        sys.exit(3)
    sys.exit(1 if report.problem or report.left else 0)
