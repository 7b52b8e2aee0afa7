"""What ``migrate_plan`` does; its options are in ``migrate_plan.py``."""

import shlex
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from mailauth import overdue
from mailauth.cli.audit_run import url_of
from mailauth.cli.migrate_bind import bind_of
from mailauth.cli.migrate_journal import Sealing, fresh_journal, must_be_of, taking_back
from mailauth.cli.migrate_loss import beside_others, losing_of, none_loses
from mailauth.cli.migrate_plan import _PLANNING
from mailauth.cli.migrate_silent import answering
from mailauth.cli.migrate_stop import Stop
from mailauth.cli.shared.files import opened as opened_file
from mailauth.cli.shared.given import without, words
from mailauth.cli.shared.progress import changing
from mailauth.dovecot.as_if import as_if
from mailauth.dovecot.doveadm import chosen
from mailauth.dovecot.site import read_config
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve, UsageError
from mailauth.hashes import origins
from mailauth.hashes.argon2 import footprint
from mailauth.hashes.making import Order, has_profile, length_of, must_fit, profile
from mailauth.hashes.proved import Way
from mailauth.migrate import apply as applying
from mailauth.migrate import column, where
from mailauth.migrate import journal as journals
from mailauth.migrate.apply import Report
from mailauth.migrate.computed import must_be_as_it_is
from mailauth.migrate.decide import Action, Rule, RuleFile, Wishes, load
from mailauth.migrate.goal import Goal
from mailauth.migrate.hashing import Dask, Hashers, Local
from mailauth.migrate.journal import Head, Journal, State, all_heads, folder, of_root, own_key
from mailauth.migrate.mechanisms import question
from mailauth.migrate.named import as_written, named_by
from mailauth.migrate.pace import Pace
from mailauth.migrate.sample import of_file
from mailauth.migrate.sealing import new_key
from mailauth.migrate.users_out import opened
from mailauth.migrate.where import Where, opened_whole
from mailauth.render.json import to_json
from mailauth.render.migrate import heads_text, plan_text, report_text
from mailauth.stores.directory_table import DirectorySource
from mailauth.stores.swaps import Table
from mailauth.stores.url import source_of

_FILE_PAGE, _SQL_PAGE, _HASHING_PAGE = 100_000, 25_000, 512
_DIRECTORY_PAGE = 1000  # each entry is a transaction of its own


_GRACE = 30.0  # seconds
_GENTLE_PAGE = 100  # rows between two looks at the store's latency


def plan(as_json: bool, max_seconds: float, users_out: Path | None, **named: Any) -> None:
    again = words("as_json", "max_seconds", "users_out")
    _plan(again, named, as_json=as_json, seconds=max_seconds, out=users_out)


def _plan(
    again: tuple[str, ...], named: dict[str, Any], *, as_json: bool, seconds: float, out: Path | None
) -> None:
    where, wishes = _asked(named)
    if where.order is not None:
        must_fit(where.order)
    silent = CannotObserve(
        f"the store has not answered within {seconds + _GRACE:.0f} s, and nothing was counted; see whether"
        " another holds its lock, or raise --max-seconds."
    )
    found = _found(where, wishes, named, (seconds, silent), out)
    click.echo(to_json(found) if as_json else plan_text(found, again), nl=as_json)
    more = found.stopped or found.changes or any(line.broken or line.unsure for line in found.lines)
    sys.exit(1 if more else 0)


def _found(
    where: Where, wishes: Wishes, named: dict[str, Any], limit: tuple[float, Exception], out: Path | None
) -> applying.Plan:
    seconds, silent = limit
    until = time.monotonic() + seconds
    with overdue.ended(seconds + _GRACE, silent, gives_up=True):
        table = opened_whole(where, reading=True)
    try:
        must_be_as_it_is(where, table)
        wishes, sample = sampled(where, wishes, table, named["prove"])
        with changing(None) as tell, opened(out) as each:
            page = _page(where, reading=True)
            made = length_of(where.order) if table.width is not None else 0
            # rows that come slowly end by the plan's own clock
            with overdue.ended(seconds + _GRACE, silent, gives_up=True):
                wishes = replace(wishes, made=column.made(table, wishes, page, tell, seconds / 2))
                left = max(until - time.monotonic(), 0.0)
                found = applying.plan(table, wishes, tell, page=page, seconds=left, made=made, each=each)
            hashing = any(line.action == "rehash" for line in found.lines)
            losing = losing_of(where, wishes) if hashing else ()
            asked = question(wishes.goal.scheme) if hashing and where.passdb is None else ""
            return replace(found, assumed=where.assumed, losing=losing, asked=asked, sample=sample)
    finally:
        table.close()


def apply(
    do_it: bool,
    accept_loss: bool,
    resume: str | None,
    seal_to: str | None,
    no_plaintexts: bool,
    rate: Pace | None,
    batch: int | None,
    jobs: int | None,
    dask: str | None,
    users_out: Path | None,
    as_json: bool,
    **named: Any,
) -> None:
    if resume is not None:
        _to_go_on_with(resume)
    if not do_it:
        again = words("as_json", "users_out")
        _plan(again, named, as_json=as_json, seconds=_PLANNING, out=users_out)
        return
    where, wishes = _asked(named)
    hashing = hashers_of(where.order, wishes.goal, jobs, dask)
    with answering():
        table = opened_whole(where)
        applying.must_be_possible(table)
    with answering():
        must_be_as_it_is(where, table)
    wishes, sample = sampled(where, wishes, table, named["prove"])
    wishes = beside_others(where, wishes)
    if not accept_loss and (losing := losing_of(where, wishes)):
        none_loses(where, wishes, losing)
    with opened(users_out) as each:
        journal, wishes = _journal(where, table, wishes, resume, Sealing(seal_to, no_plaintexts))
        for line in [where.assumed, *sample] if not as_json else ():
            click.echo(line, err=True, nl=bool(line))
        stop = Stop()
        try:
            with answering():
                count = table.count()
            with hashing as hashers, changing(count, rate.says if rate else None) as tell, stop:
                page = batch or (_GENTLE_PAGE if rate and rate.auto else _page(where))
                work = applying.Applier(table, wishes, hashers, journal, tell, stop.asked, page, rate, each)
                report = work.run()
        finally:
            journal.close()
            table.close()
    flush(where, named, report.written)
    told(report, journal.head, as_json)


def status(as_json: bool) -> None:
    heads, damaged = all_heads()
    click.echo(to_json(heads) if as_json else heads_text(heads, folder()), nl=as_json)
    for why in damaged:
        click.echo(f"mailauth: {why}", err=True)
    if hidden := of_root():
        click.echo(f"mailauth: not looked at: {hidden}; run: sudo mailauth migrate status", err=True)
    sys.exit(1 if damaged else 3 if hidden else 0)


def keygen(file: Path) -> None:
    click.echo(new_key(file))


def _asked(named: dict[str, Any]) -> tuple[Where, Wishes]:
    rules, goal, origin = rules_of(named)
    making = any(rule.action is Action.REHASH for rule in rules)
    where = where_of(named, goal if making else None)
    return where, Wishes(rules, goal, where.reader, origin)


def sampled(where: Where, wishes: Wishes, table: Table, file: str | None) -> tuple[Wishes, tuple[str, ...]]:
    """With what a sample of known passwords says, and that in words.  Raises UsageError."""
    if file is None:
        return wishes, ()
    named = named_by(*where.passdb) if where.passdb else as_written
    with opened_file(file) as source:
        found = of_file(source, file, table, named)
    return replace(wishes, proofs=found.proofs), found.says


def _origin(name: str | None) -> str:
    """Raises UsageError for one that there is not."""
    if name is not None:
        origins.named(name)
    return (name or "").lower()


def rules_of(named: dict[str, Any]) -> tuple[tuple[Rule, ...], Goal, str]:
    """The rules, what hashes are to become, and whose strings they are.  Raises UsageError."""
    file = load(named["file"]) if named["file"] else RuleFile()
    only = tuple(name.upper() for name in named["only"])
    order = (Action.TRIM, Action.PREFIX, Action.RELABEL, Action.CONVERT, Action.MEND, Action.PREFIX_DEFAULT)
    flags = tuple(Rule(action, only) for action in order if named[action.value.replace("-", "_")])
    scheme = named["rehash"] or str(file.goal.get("scheme", "ARGON2ID"))
    options: dict[str, int | str] = {}
    if has_profile(scheme):
        options |= profile(named["profile"])
    options |= {name: value for name, value in file.goal.items() if name != "scheme"}
    rules = file.rule + flags + ((Rule(Action.REHASH),) if named["rehash"] else ())
    if not rules:
        raise UsageError("say what is to be done: --prefix, --trim, --relabel, --mend ..., or --rules FILE.")
    what = f"migrate {click.get_current_context().info_name}"
    if not flags:
        without(f"{what} without --trim, --prefix, --relabel and the like", "only")
    if not any(rule.action is Action.REHASH for rule in rules):
        without(f"{what} without --rehash", "profile", "jobs", "dask", "accept_loss")
    elif not has_profile(scheme):
        without(f"--rehash {scheme.upper()}", "profile")
    return rules, Goal(scheme.upper(), tuple(options.items())), _origin(named["origin"])


def where_of(named: dict[str, Any], goal: Goal | None, *, target: bool = False) -> Where:
    """``target``: rows are to be added there, or were.  Raises UsageError, Refused, CannotObserve."""
    url = url_of(named["url"], named["url_fd"])
    version = Version.known(named["judge"]) if named["judge"] else None
    if url is None:
        if named["default_scheme"]:
            raise UsageError("--default-scheme goes with --url: the configuration has it.")
        dovecot = chosen(named["config"], named["pid"])
        config = read_config(dovecot)
        config = as_if(config, version) if version else config
        bind = bind_of(named)
        number, query = named["passdb"], named["rows_query"]
        return where.of_passdb(dovecot, config, number, goal, query, bind, target=target)
    if named.get("bind_dn") is not None:
        raise UsageError("--bind-dn is for the directory of a passdb, and --url names none: leave one out.")
    if named["config"] is not None or named["pid"] is not None or named["passdb"] is not None:
        raise UsageError("-c, --pid and --passdb are for a Dovecot, --url for a store: leave one out.")
    source = source_of(url, named["rows_query"], None)
    return where.of_url(url, source, version, named["default_scheme"], goal)


def _page(where: Where, *, reading: bool = False) -> int:
    if reading:
        return _FILE_PAGE
    if where.order is not None:
        return _HASHING_PAGE
    if isinstance(where.source, DirectorySource):
        return _DIRECTORY_PAGE
    return _SQL_PAGE if where.reader.prefixing else _FILE_PAGE


def hashers_of(
    order: Order | None, goal: Goal, jobs: int | None, dask: str | None
) -> AbstractContextManager[Hashers | None]:
    """Who makes the hashes, if any are to be made.  Raises Refused where Dovecot could not take them."""
    if order is None:
        return nullcontext()
    must_fit(order)
    return workers_of(order, goal, jobs, dask)


def workers_of(order: Order, goal: Goal, jobs: int | None, dask: str | None) -> Hashers:
    """The cores of this machine, or a cluster."""
    memory = footprint(int(dict(goal.options).get("memory", 1024)), 1).total
    return Dask(order, dask, memory) if dask else Local(order, jobs)


def _to_go_on_with(name: str) -> str:
    """The ID of a migration that was interrupted.  Raises UsageError where it is none."""
    state = journals.read_head(name).state
    if state is not journals.State.APPLYING:
        raise UsageError(f"{name} is {state.value}, so there is nothing to resume.")
    return name


def _journal(
    where: Where, table: Table, wishes: Wishes, resume: str | None, seal: Sealing
) -> tuple[Journal, Wishes]:
    """One that goes on takes what its sample proved then, and its column showed: those rows are gone."""
    asked = [wishes.rules, wishes.goal, wishes.origin]
    if resume is None:
        rules = msgspec.json.encode([*asked, wishes.proofs.forms, sorted(wishes.made)]).decode()
        return fresh_journal(where, table, rules, seal), wishes
    journal = journals.reopened(_to_go_on_with(resume))
    must_be_of(journal.head, where, table)
    then = msgspec.json.decode(journal.head.rules)
    if msgspec.convert(then[:3], tuple[tuple[Rule, ...], Goal, str]) != tuple(asked):
        raise UsageError(f"{resume} had other rules; give the same as then.")
    forms = msgspec.convert(then[3] if then[3:] else {}, dict[str, Way])
    made = frozenset(then[4]) if then[4:] else wishes.made
    wishes = replace(wishes, proofs=replace(wishes.proofs, forms=forms), made=made)
    if seal.without_plaintexts and journal.head.keeps_plaintexts:
        raise UsageError(f"{resume} was begun without --no-undo-for-plaintexts, and holds plaintexts.")
    return journal, wishes


def flush(where: Where, named: dict[str, Any], written: int) -> None:
    """Dovecot's auth cache must not go on with the old strings."""
    if where.cache and written and where.config:
        chosen(named["config"] or where.config, named["pid"]).run("doveadm", "auth", "cache", "flush")


def told(report: Report, head: Head, as_json: bool) -> None:
    key = str(own_key(head) or "")
    what: tuple[str, ...] = ("apply", "--resume", head.id)
    if head.state is State.UNDOING:
        what = ("undo", head.id)
    elif head.kind:
        what = (head.kind,)  # whom it has added already is there, and is passed over
    again = shlex.join(("mailauth", "migrate", *what, *words("resume", "users_out")))
    click.echo(
        to_json({"id": head.id, "state": head.state, "left": report.not_done, "report": report, "key": key})
        if as_json
        else report_text(report, head, again, taking_back(head.id), key),
        nl=as_json,
    )
    if report.stopped:
        sys.exit(130)
    if report.no_store:
        sys.exit(3)
    unkept = report.unreadable or (report.not_kept and head.state is State.PARTLY)
    sys.exit(1 if report.problem or report.not_done or unkept else 0)
