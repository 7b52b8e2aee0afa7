"""A migration's plan and report as text."""

import datetime as dt
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mailauth.counted import counted
from mailauth.fix.takeback import UndoStep
from mailauth.hashes.origins import ORIGINS
from mailauth.migrate.apply import Plan, Report
from mailauth.migrate.counts import Line
from mailauth.migrate.decide import Action
from mailauth.migrate.journal import Head, State
from mailauth.migrate.mechanisms import refusal
from mailauth.migrate.move import Moving
from mailauth.visible import visible


def _text(lines: Iterable[str], *commands: str) -> str:
    """Each line is one, whatever users are called; ``commands`` stand among them, and are to be pasted."""
    return "".join(f"{one if one in commands else visible(one)}\n" for one in lines)


def plan_text(plan: Plan, again: Sequence[str] = ()) -> str:
    """What would be done, what is broken and stays so, and what is left as it is.

    ``again``: the options of this plan, with which apply does the same.
    """
    reader = f"as Dovecot {plan.dovecot} reads them; what has no {{SCHEME}} is {plan.default_scheme}"
    lines = [
        f"{plan.place}: {counted(plan.rows, 'row')}, {reader}",
        *([plan.assumed] if plan.assumed else []),
    ]
    lines += [f"  {one}" for one in plan.sample]
    lines += [_line(one) for one in plan.lines]
    if plan.nulls:
        lines.append(f"  no password {plan.nulls:>6}")
    if plan.too_long:
        lines.append(
            f"  TOO LONG {plan.too_long:>9}  for the column of {plan.width} characters: widen it first"
        )
    if plan.twice:
        lines.append(f"  lines that Dovecot never looks at, left as they are: {', '.join(plan.twice)}")
    if plan.bad_lines:
        lines.append(f"  lines without a password: {', '.join(map(str, plan.bad_lines))}")
    lines += _left_out(plan)
    if any(one.unsure for one in plan.lines):
        lines.append(
            "What is left could be several things, and no rule guesses: --prove FILE.csv (users and known"
            f" passwords) decides, or --origin NAME says whose strings they are ({', '.join(ORIGINS)})."
        )
    if plan.losing:
        rows = sum(one.rows for one in plan.lines if one.action == Action.REHASH.value)
        lines.append(refusal(plan.losing, "the new hashes", f"clients of {counted(rows, 'row')}"))
    if plan.asked:
        lines.append(plan.asked)
    lines += _in_the_way(plan)
    if plan.keyless:
        lines.append(plan.keyless)
    changes = counted(plan.changes, "row")
    command = f"  {_apply(again)}"
    if plan.changes:
        lines += [f"{changes} would be changed, and none was. To do it:", command]
    else:
        lines.append(f"{changes} would be changed.")
    return _text(lines, command)


def lines_text(plan: Plan, scheme: str) -> str:
    """What becomes of the rows before the default scheme, which is ``scheme``, is changed."""
    first = f"{plan.place}: {counted(plan.rows, 'row')}; what has no {{SCHEME}} is {scheme}"
    return _text([first, *map(_line, plan.lines), *_in_the_way(plan)])


def default_scheme_text(
    head: Head, report: Report, schemes: tuple[str, str], steps: Sequence[UndoStep], problem: str, back: str
) -> str:
    """How the change of a default scheme went; ``schemes``: the old one and the new one.

    ``back``: the command that takes it back.
    """
    old, new = schemes
    lines = [f"{head.id}: looked at {report.looked_at}, changed {report.written}"]
    lines += _named(report)
    lines += [f"    {count} x {reason}" for reason, count in report.reasons.most_common(10)]
    lines += [
        f"  {'ok  ' if one.ok else 'FAIL'}  {one.what}{f': {one.said}' if one.said else ''}" for one in steps
    ]
    if problem:
        lines.append(f"The default scheme is {old} as before: {problem}.".replace("..", "."))
        lines.append("Strings that got their scheme are right under either; nobody was locked out.")
    else:
        lines.append(f"The default scheme was {old}, and is {new}.")
    lines.append(command := f"  take it back: {back}")
    return _text(lines, command)


def move_text(moving: Moving, source: str, judged: str, again: str) -> str:
    """What would be added to another store, what is there, and what is left.

    ``judged``: by whose rules, of what is added.
    """
    lines = [f"from {source}", f"to {moving.place}, {judged}"]
    for one in moving.kinds:
        names = f"  e.g. {', '.join(one.users)}" if one.users else ""
        lines.append(f"  {one.what:<8} {one.rows:>9}  {one.why}{names}".rstrip())
    lines += [f"Note: {note}." for note in moving.notes]
    if moving.swaps:
        lines += [
            f"{counted(len(moving.swaps), 'row')} would be added, and none was. To do it:",
            f"  {again}",
        ]
    else:
        lines.append("0 rows would be added.")
    return _text(lines, f"  {again}")


def removal_text(report: Report, head: Head) -> str:
    """What an undo of a move would do."""
    written, changed = counted(report.written, "row"), counted(report.changed, "row", verb=("holds", "hold"))
    lines = [f"{head.id}: {written} of {head.store} would be removed; --apply does it."]
    if report.changed:
        lines.append(f"{changed} another string than was added, and would be left.")
    if report.already:
        lines.append(f"{counted(report.already, 'row', verb=('is', 'are'))} not there.")
    if report.unreadable:
        lines.append(f"{report.unreadable}: the rows in them stay.")
    return _text([*lines, *_named(report)])


def _in_the_way(plan: Plan) -> Iterator[str]:
    """What apply would refuse, what keeps some rows from it, and what to ask before."""
    if stops := [one.says for one in plan.obstacles if one.stops]:
        yield f"CANNOT BE DONE: {'; '.join(stops)}."
    for one in plan.obstacles:
        if not one.stops:
            yield f"Note: {one.says}{'' if one.says.endswith('?') else '.'}"
    if not plan.changes:
        return
    if hashed := sum(one.rows for one in plan.lines if one.action == Action.REHASH.value):
        yield (
            f"The journal will hold {counted(hashed, 'plaintext')}, sealed to a key that lies beside it for"
            " root, for undo to restore. --seal-to KEY has that key elsewhere; --no-undo-for-plaintexts"
            " keeps none."
        )
    yield (
        "Who else reads these strings (webmail's change of passwords, a panel, Postfix, FTP, XMPP)? They must"
        " understand the new ones."
    )


def _left_out(plan: Plan) -> Iterator[str]:
    """What stays as it is, and what was not looked at."""
    if plan.not_utf8:
        yield f"  NOT UTF-8 {plan.not_utf8:>8}  user's name or row's key: left"
    if plan.passed_over:
        yield f"  lines that were not judged: {'; '.join(plan.passed_over)}"
    if plan.stopped:
        yield (
            f"Time was up after {counted(plan.rows, 'row')}, and the rest was not looked at: --max-seconds"
            " gives more."
        )


def _apply(again: Sequence[str]) -> str:
    return shlex.join(["mailauth", "migrate", "apply", *again, "--apply"])


def counted_text(lines: Sequence[Line], what: str) -> str:
    """Values that no store of ours has, by what becomes of them."""
    found = [_line(one) for one in lines] or [f"  no {what} is there"]
    return _text([f"{counted(sum(one.rows for one in lines), 'value')} of {what}", *found])


def _line(one: Line) -> str:
    names = f"  e.g. {', '.join(one.users)}" if one.users else ""
    if one.action:
        return f"  {one.action:<8} {one.rows:>9}  {one.before}  ->  {one.after}{names}"
    if one.unsure:
        return f"  left     {one.rows:>9}  {one.before}  may be {one.unsure}{names}"
    if one.broken:
        return f"  broken   {one.rows:>9}  {one.before}  ({one.broken}){names}"
    return f"  as is    {one.rows:>9}  {one.before}"


_WAS = ("was", "were")


def report_text(report: Report, head: Head, again: str, back: str, key: str = "") -> str:
    """``again``: the command that goes on; ``back``: the one that takes it back.

    ``key``: the file of the migration's own key, if it is there.
    """
    rate = report.looked_at / report.seconds if report.seconds else 0.0
    lines = [
        f"{head.id}: {head.state.value}{' (interrupted)' if report.stopped else ''}",
        (
            f"  looked at {report.looked_at}, changed {report.written}; {report.seconds:.1f} s,"
            f" {rate:.0f} rows/s"
        ),
    ]
    for verb, name, count in (
        (_WAS, "as before already", report.already),
        (_WAS, "changed meanwhile, and left alone", report.changed),
        (_WAS, "locked by someone else, and left alone", report.locked),
        (_WAS, "left alone, for the reasons below", report.failed),
        (_WAS, "left alone, because the string may be several things: plan lists them", report.undecided),
        (("matches", "match"), "no password, and no rule repairs it: plan lists them", report.broken),
        (("is a plaintext", "are plaintexts"), "that the journal does not hold", report.not_kept),
    ):
        if count:
            lines.append(f"  {counted(count, 'row', verb=verb)} {name}")
    lines += _named(report)
    lines += [f"    {count} x {reason}" for reason, count in report.reasons.most_common(10)]
    if report.unreadable:
        lines.append(f"  {report.unreadable}; the rows in them keep the strings that they have now")
    if report.problem:
        lines.append(f"  ENDED: {report.problem}")
    if report.stopped or report.problem:
        lines.append(f"  go on: {again}")
    elif head.state is State.APPLIED and head.keys:
        lines.append(f"  take it back: {back}")
        lines += [f"  its journal is sealed to {key}: without that file, no undo"] if key else []
    return _text(lines, f"  go on: {again}", f"  take it back: {back}")


def prospect_text(report: Report, head: Head) -> str:
    """What an undo would do, by the rows as they are now."""
    lines = [
        f"{head.id}: {counted(report.written, 'row')} of {head.store} would get back the old string; --apply"
        " does it."
        if report.written
        else f"{head.id}: no row of {head.store} can get its old string back."
    ]
    if report.not_kept:
        lines.append(
            f"{counted(report.not_kept, 'row')} cannot, and would keep the present string: it was a plaintext"
            " before, and the journal was begun without those (--no-undo-for-plaintexts, or an older"
            " mailauth)."
        )
    if report.changed:
        lines.append(
            f"{counted(report.changed, 'row')} with another string than was written, or gone: would be left."
        )
    if report.failed:
        lines.append(f"{counted(report.failed, 'row')} would be left alone:")
        lines += [f"    {count} x {reason}" for reason, count in report.reasons.most_common(10)]
    if report.already:
        lines.append(f"{counted(report.already, 'row', verb=('has', 'have'))} the old string already.")
    if report.unreadable:
        lines.append(f"{report.unreadable}: the rows in them keep the strings that they have now.")
    return _text([*lines, *_named(report)])


def _named(report: Report) -> list[str]:
    return [f"    {kind}: {', '.join(users)}" for kind, users in report.rows.items()]


def heads_text(heads: list[Head], kept: Path) -> str:
    """``kept``: the folder of the journals."""
    if not heads:
        return f"No migration is kept in {kept}.\n"
    return "".join(
        f"{head.id}  {head.state.value:<13} {dt.datetime.fromtimestamp(head.begun, dt.UTC):%Y-%m-%d %H:%M}"
        f" UTC  {head.store}  {', '.join(f'{count} {name}' for name, count in head.done.items() if count)}\n"
        for head in heads
    )
