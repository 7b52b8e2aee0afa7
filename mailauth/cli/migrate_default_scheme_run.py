"""What ``migrate_default_scheme`` does; its options are in ``migrate_default_scheme.py``."""

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from mailauth.cli.migrate_default_scheme import _PAGE
from mailauth.cli.migrate_journal import Sealing, fresh_journal, taking_back
from mailauth.cli.migrate_plan_run import flush, sampled, where_of
from mailauth.cli.migrate_silent import answering
from mailauth.cli.migrate_stop import Stop
from mailauth.cli.shared.files import opened as opened_file
from mailauth.cli.shared.progress import changing
from mailauth.counted import counted
from mailauth.dovecot.typed import shown
from mailauth.errors import MailauthError, Refused, UsageError
from mailauth.fix.apply import Ending
from mailauth.fix.patch import diff
from mailauth.hashes import origins
from mailauth.migrate import apply as applying
from mailauth.migrate import default_scheme as changing_it
from mailauth.migrate import import_list
from mailauth.migrate.alike import Decider
from mailauth.migrate.apply import Report, plan
from mailauth.migrate.computed import must_be_as_it_is
from mailauth.migrate.decide import Action, Rule, Wishes
from mailauth.migrate.default_scheme import Change, Open
from mailauth.migrate.goal import Goal
from mailauth.migrate.import_list import Known
from mailauth.migrate.journal import Head
from mailauth.migrate.named import as_written
from mailauth.migrate.pace import Pace
from mailauth.migrate.users_out import opened as listed
from mailauth.migrate.where import Where, no_directory, opened_whole
from mailauth.render.json import to_json
from mailauth.render.migrate import default_scheme_text, lines_text
from mailauth.stores.swaps import Table
from mailauth.visible import visible


def default_scheme(
    scheme: str,
    every: bool,
    prove: str | None,
    seal_to: str | None,
    no_plaintexts: bool,
    rate: Pace | None,
    batch: int,
    do_it: bool,
    users_out: Path | None,
    as_json: bool,
    **named: Any,
) -> None:
    if prove == "-":
        raise UsageError("--prove: give a file; it is read twice.")
    if do_it and (before := changing_it.put_in_order()):
        click.echo(f"mailauth: {before} was killed, and is taken back", err=True)
    where, wishes = _asked(named, every=every)
    assert where.passdb
    change = changing_it.to_change(where.dovecot, *where.passdb, scheme.upper())
    with answering():
        table = opened_whole(where, reading=not do_it)
    try:
        with answering():
            must_be_as_it_is(where, table)
        wishes, sample = sampled(where, wishes, table, prove)
        for line in sample if not as_json else ():
            click.echo(line, err=True)
        with listed(users_out) as each:
            left = changing_it.depending(table, wishes.reader, change.new, batch, Decider(wishes), each)
        if not do_it:
            _plan(change, table, wishes, left, as_json)
        if left.rows:
            raise Refused(f"{_in_the_way(left, change)} Nothing was changed.")
        known = changing_it.who_gets_in(change, _known(prove))
        head, report = _prefixed(where, table, wishes, Sealing(seal_to, no_plaintexts), rate, batch)
        flush(where, named | {"pid": named["pid"]}, report.written)
        problem, ending = _changed(change, table, batch, wishes, known, head, report)
    finally:
        table.close()
    _told(change, head, report, problem, ending, len(known), as_json)


def _asked(named: dict[str, Any], *, every: bool) -> tuple[Where, Wishes]:
    if named["origin"] is not None:
        origins.named(named["origin"])
    named |= dict.fromkeys(("url", "url_fd", "judge", "default_scheme"))
    where = where_of(named, None)
    no_directory(where)
    rules: tuple[Rule, ...] = (Rule(Action.PREFIX),) if named["prefix"] else ()
    rules += (Rule(Action.PREFIX_DEFAULT, every=every),)
    return where, Wishes(rules, Goal("PLAIN", ()), where.reader, (named["origin"] or "").lower())


def _known(prove: str | None) -> list[Known]:
    """Users with their passwords, by the names that they log in with."""
    if prove is None:
        return []
    with opened_file(prove) as source, import_list.opened(source, as_written, lambda *_: None) as users:
        return list(users.users())


def _plan(change: Change, table: Table, wishes: Wishes, left: Open, as_json: bool) -> None:
    """Ends the program."""
    found = plan(table, wishes, lambda *_: None, page=_PAGE)
    diffs = [diff(one) for one in change.files]
    if as_json:
        data = {"old": change.old, "new": change.new, "plan": found, "in_the_way": left, "diffs": diffs}
        click.echo(to_json(data))
    else:
        click.echo(lines_text(found, change.old), nl=False)
        then = f"then: {shown(change.dovecot, 'doveadm', 'reload')}"
        click.echo("\n".join([*diffs, then, *(f"Note: {one}." for one in change.careful)]))
        click.echo(
            "Which program writes these strings (a panel, webmail)? Dovecot will take what it writes without"
            f" a scheme for {change.new}."
        )
        click.echo(_in_the_way(left, change) if left.rows else "Nothing was changed; --apply does it.")
    sys.exit(1)


def _in_the_way(left: Open, change: Change) -> str:
    names = ", ".join(left.users) + (" ..." if left.rows > len(left.users) else "")
    return visible(
        f"{counted(left.rows, 'row')} ({names}) would mean something else under {change.new}, and no rule"
        " gives a scheme: --prefix, --origin or --prove says what they are, or --prefix-undecided keeps them"
        " as they count today."
    )


def _prefixed(
    where: Where, table: Table, wishes: Wishes, seal: Sealing, rate: Pace | None, batch: int
) -> tuple[Head, Report]:
    applying.must_be_possible(table)
    rules = msgspec.json.encode([wishes.rules, wishes.goal, wishes.origin]).decode()
    journal = fresh_journal(where, table, rules, seal)
    try:
        with changing(table.count(), rate.says if rate else None) as tell, Stop() as stop:
            work = applying.Applier(table, wishes, None, journal, tell, stop.asked, batch, rate)
            report = work.run()
    finally:
        journal.close()
    return journal.head, report


def _changed(
    change: Change,
    table: Table,
    page: int,
    wishes: Wishes,
    known: list[Known],
    head: Head,
    report: Report,
) -> tuple[str, Ending | None]:
    """What kept the setting as it was, or took it back; and how the change went, where it was begun."""
    if report.problem or report.stopped:
        return report.problem or "interrupted", None
    left = changing_it.depending(table, wishes.reader, change.new, page)
    if left.rows:
        return (
            f"{counted(left.rows, 'row')} without a scheme by now ({', '.join(left.users)}): written"
            " meanwhile, or locked; run it again, and if this stays so, change first what writes such strings"
        ), None
    try:
        ending = changing_it.carry_out(change, head.id)
    except MailauthError as why:
        return str(why), None
    if ending.problem:
        return ending.problem, ending
    try:
        why_not = changing_it.not_proven(change, table, page, wishes.reader, known)
    except MailauthError as why:
        why_not = str(why)
    if why_not:
        with suppress(Refused):
            changing_it.taken_back(head.id, change.dovecot)
        return why_not, replace(ending, state=ending.state.UNDONE)
    return "", ending


def _told(
    change: Change,
    head: Head,
    report: Report,
    problem: str,
    ending: Ending | None,
    logins: int,
    as_json: bool,
) -> None:
    setting = ending.state.value if ending else "not begun"
    if as_json:
        data = {"id": head.id, "old": change.old, "new": change.new, "setting": setting, "problem": problem}
        click.echo(to_json(data | {"report": report, "logins": logins}))
    else:
        steps = ending.steps if ending else ()
        notes = ending.notes if ending else ()
        schemes, back = (change.old, change.new), taking_back(head.id)
        click.echo(default_scheme_text(head, report, schemes, (*steps,), problem, back), nl=False)
        for note in notes:
            click.echo(f"Note: {note}")
        if not problem:
            click.echo(
                f"{logins} users of --prove logged in as before."
                if logins
                else "No login was tried; --prove FILE.csv (users and known passwords) tries some."
            )
    if report.stopped or (ending and ending.interrupted):
        sys.exit(130)
    sys.exit(3 if report.no_store else 1 if problem else 0)
