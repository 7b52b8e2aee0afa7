"""What ``migrate_move`` does; its options are in ``migrate_move.py``."""

import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mailauth.cli.migrate_bind import bind_of
from mailauth.cli.migrate_journal import Sealing, fresh_journal
from mailauth.cli.migrate_plan_run import flush, told, where_of
from mailauth.cli.migrate_stop import Stop
from mailauth.cli.shared.given import words
from mailauth.cli.shared.progress import changing
from mailauth.errors import Refused, UsageError
from mailauth.hashes.accepts import version_text
from mailauth.migrate import move as moving
from mailauth.migrate.apply import Report
from mailauth.migrate.aside import Aside
from mailauth.migrate.computed import must_be_what_is_read
from mailauth.migrate.journal import Head
from mailauth.migrate.move import Moving
from mailauth.migrate.pace import Pace
from mailauth.migrate.users_out import opened
from mailauth.migrate.where import Where
from mailauth.render.json import to_json
from mailauth.render.migrate import move_text
from mailauth.stores.adding import Target
from mailauth.stores.adding_elsewhere import opened as opened_target
from mailauth.stores.listing import read

_BIND = ("bind_dn", "bind_password_fd", "bind_password_file", "insecure")


def move(
    to: str | None,
    to_fd: int | None,
    to_passdb: int | None,
    to_rows_query: str | None,
    to_dovecot: str | None,
    fill: tuple[str, ...],
    domain: str,
    accept_fields: bool,
    seal_to: str | None,
    rate: Pace | None,
    users_out: Path | None,
    do_it: bool,
    as_json: bool,
    **named: Any,
) -> None:
    _one_target(named, (to, to_fd, to_passdb), to_dovecot)
    if domain and not re.fullmatch(r"[^@=]+(=[^@=]+)?", domain):
        raise UsageError(f"--domain {domain}: a domain, or OLD=NEW with a domain on either side.")
    where = where_of(_of_source(named, to_passdb), None)
    judge = to_dovecot or version_text(where.reader.dovecot)
    there = _target(named, to, to_fd, to_passdb, to_rows_query, judge)
    must_be_what_is_read(where)
    filled = {column: text for column, _, text in (one.partition("=") for one in fill)}
    target, aside = opened_target(there.dovecot, there.source, filled), Aside()
    try:
        with opened(users_out) as each, changing(None) as tell:
            rows = read(where.dovecot, where.source)
            found = moving.plan(
                rows,
                where.reader,
                target,
                aside,
                domain,
                each,
                reads=there.reader,
                accept_fields=accept_fields,
                tell=tell,
            )
        if fields := _own_fields(where):
            note = f"{where.label} gives every user {', '.join(fields)}: whoever reads the target must, too"
            found = replace(found, notes=(note, *found.notes))
        if not found.kinds:
            raise Refused(f"{where.label}: nobody is in it.")
        if not do_it:
            _show(found, where, _judged(there, to_dovecot), as_json)
        report, head = _carry_out(found, where, there, target, Sealing(seal_to, False), rate)
        flush(there, named, report.written)
        told(report, head, as_json)
    finally:
        aside.close()
        target.close()


def _one_target(named: dict[str, Any], targets: tuple[object, ...], dovecot: str | None) -> None:
    """Raises UsageError."""
    if sum(one is not None for one in targets) != 1:
        raise UsageError("say where to: --to URL, --to-fd FD or --to-passdb N.")
    if dovecot is not None and targets[-1] is not None:
        raise UsageError("--to-dovecot is for a URL: the version that reads --to-passdb is known.")
    if named["bind_dn"] is None:
        bind_of(named)  # what goes with it is refused
    elif targets[-1] is None:
        raise UsageError("--bind-dn is for the directory of a passdb, and a URL names none: leave one out.")


def _target(
    named: dict[str, Any],
    to: str | None,
    to_fd: int | None,
    number: int | None,
    query: str | None,
    judge: str,
) -> Where:
    """``judge``: the version of the Dovecot that will read it, where none is named.  Raises UsageError."""
    own = dict.fromkeys(named) | {"rows_query": query} | {name: named[name] for name in _BIND}
    if number is not None:
        own |= {"config": named["config"], "pid": named["pid"], "passdb": number}
        return where_of(own, None, target=True)
    return where_of(own | {"url": to, "url_fd": to_fd, "judge": judge}, None, target=True)


def _of_source(named: dict[str, Any], to_passdb: int | None) -> dict[str, Any]:
    """The store that is read: who writes is of the target, and with a URL the Dovecot that is named, too."""
    own = {name: value for name, value in named.items() if name not in _BIND}
    if to_passdb is not None and (named["url"] is not None or named["url_fd"] is not None):
        own |= {"config": None, "pid": None}
    return own


def _own_fields(where: Where) -> list[str]:
    """Fields that the source's passdb sets itself, such as allow_nets."""
    if where.passdb is None:
        return []
    passdb = where.passdb[1]
    names = (name for name, _ in (*passdb.default_fields, *passdb.override_fields))
    return [name for name in dict.fromkeys(names) if not name.startswith("userdb_")]


def _judged(there: Where, given: str | None) -> str:
    """By whose rules the strings are judged that are added."""
    version = version_text(there.reader.dovecot)
    if there.passdb is not None or given:
        return f"as Dovecot {version} reads them"
    return f"as Dovecot {version} reads them, like the source; --to-dovecot names another"


def _show(found: Moving, where: Where, judged: str, as_json: bool) -> None:
    """Ends the program."""
    data = {"place": found.place, "judged": judged, "kinds": found.kinds, "notes": found.notes}
    again = shlex.join(["mailauth", "migrate", "move", *words("as_json", "users_out"), "--apply"])
    read = f"as Dovecot {version_text(where.reader.dovecot)} reads it"
    source = f"{where.label}, {read}; what has no {{SCHEME}} is {where.reader.default_scheme}"
    text = move_text(found, source, judged, again)
    click.echo(to_json(data) if as_json else text, nl=as_json)
    if where.assumed and not as_json:
        click.echo(where.assumed)
    sys.exit(1 if found.swaps or found.left else 0)


def _carry_out(
    found: Moving,
    where: Where,
    there: Where,
    target: Target,
    seal: Sealing,
    rate: Pace | None,
) -> tuple[Report, Head]:
    journal = fresh_journal(there, target, f'["move", "from", {where.label!a}]', seal)
    journal.head = replace(journal.head, kind=moving.KIND)
    journal.save()
    try:
        with changing(len(found.swaps), rate.says if rate else None) as tell, Stop() as stop:
            report = moving.Mover(target, journal, tell, stop.asked, rate).run(found)
    finally:
        journal.close()
    for one in found.kinds:
        if one.why:
            report.failed += one.rows
            report.reasons[one.why] += one.rows
            report.note("left", one.users)
    return report, journal.head
