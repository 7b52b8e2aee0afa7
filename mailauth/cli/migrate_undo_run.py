"""What ``migrate_undo`` does; its options are in ``migrate_undo.py``."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from mailauth.cli.migrate_journal import must_be_of
from mailauth.cli.migrate_plan_run import flush, told, where_of
from mailauth.cli.migrate_silent import answering
from mailauth.cli.migrate_stop import Stop
from mailauth.cli.shared.progress import changing
from mailauth.migrate import default_scheme
from mailauth.migrate import journal as journals
from mailauth.migrate import undo as undoing
from mailauth.migrate.journal import Head
from mailauth.migrate.pace import Pace
from mailauth.migrate.removal import Removing
from mailauth.migrate.undo import Undoing
from mailauth.migrate.users_out import opened as listed
from mailauth.migrate.where import Where, opened
from mailauth.render.json import to_json
from mailauth.render.migrate import prospect_text, removal_text
from mailauth.stores.adding_elsewhere import opened as opened_target


def undo(
    name: str,
    store: str | None,
    key: Path | None,
    rate: Pace | None,
    do_it: bool,
    users_out: Path | None,
    as_json: bool,
    **named: Any,
) -> None:
    head = journals.read_head(name)
    if all(named[one] is None for one in ("config", "pid", "url", "url_fd")):
        named["config"] = head.config
    where = where_of(named, None, target=bool(head.kind))
    damaged: list[int] = []
    batches = journals.entries(name, key, damaged)
    entries = sum(head.done.get(name, 0) for name in ("written", "changed", "locked"))
    stack = ExitStack()
    work = _work(head, where, do_it=do_it)
    try:
        work.each = stack.enter_context(listed(users_out))
        must_be_of(head, where, work.table, store)
        setting = default_scheme.of_migration(name)
        if do_it and default_scheme.taken_back(name, where.dovecot):
            where = where_of(named, None)
            if not as_json:
                click.echo(f"the default scheme is {where.reader.default_scheme} again")
        if isinstance(work, Undoing):
            work.bare_stays = "" if setting and not do_it else _bare_stays(head, where)
        if not do_it:
            with changing(entries or None) as tell:
                found = undoing.prospect(work, batches, damaged, tell)
            data = {"id": head.id, "state": head.state, "report": found, "setting": bool(setting)}
            text = removal_text if head.kind else prospect_text
            click.echo(to_json(data) if as_json else text(found, head), nl=as_json)
            if setting and not as_json:
                click.echo(f"Before that the default scheme would be {head.default_scheme} again.")
            sys.exit(1 if found.not_kept or found.changed or found.failed or found.unreadable else 0)
        journal = journals.reopened(name)
        stop = Stop()
        try:
            with changing(entries or None, rate.says if rate else None) as tell, stop:
                report = undoing.undo(work, batches, damaged, journal, tell, stop.asked, rate)
        finally:
            journal.close()
    finally:
        work.table.close()
        stack.close()
    flush(where, named, report.written)
    told(report, journal.head, as_json)


def _work(head: Head, where: Where, *, do_it: bool) -> Undoing | Removing:
    """What takes its batches back.  Raises UsageError, Refused, CannotObserve."""
    if head.kind:
        return Removing(opened_target(where.dovecot, where.source, {}), do_it)
    with answering():
        return Undoing(opened(where, reading=not do_it), do_it)


def _bare_stays(head: Head, where: Where) -> str:
    """Why strings without a scheme are not put back; "" where they mean what they meant."""
    now, then = where.reader.default_scheme, head.default_scheme
    if not (then and where.passdb) or now == then:
        return ""
    return (
        f"the string had no scheme, and the default scheme is {now} now and was {then} then: change that back"
        " first"
    )
