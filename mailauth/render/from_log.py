"""What a log tells, as text: tables on a terminal, plain columns elsewhere."""

import shlex
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mailauth.counted import counted
from mailauth.dovecot.logreport import FromLogReport, KeptOut, TroubleRow, UserLooked, UserRow, nameable
from mailauth.dovecot.logtally import MOST_OTHERS
from mailauth.dovecot.messages_requests import BIND_REFUSED, MISMATCHES
from mailauth.later import later
from mailauth.visible import visible

if TYPE_CHECKING:
    import rich.console
    import rich.table
    import rich.text

    from mailauth.rules import flood_case
else:
    rich = later("rich")  # 40 ms that plain output must not pay
    flood_case = later("mailauth.rules.flood_case")  # as long

_WIDEST = 40
_NAMELESS = 5  # clients without a name that are shown; --json has more


def from_log_text(report: FromLogReport, which: tuple[str, ...] = (), *, terminal: bool = False) -> str:
    """A page for a person; ``which``: the options that name the Dovecot.

    Everything from the log was freed of control characters before.
    """
    parts = [_head(report), *_floods(report)]
    if report.rows:
        cells: list[tuple[str, ...]] = [
            (
                row.user,
                str(row.failures),
                row.reason,
                _addresses(row),
                row.last,
                _works(row) or (f"{row.pattern.value}: {row.says}" if row.says else row.pattern.value),
            )
            for row in report.rows
        ]
        parts.append(_table(("user", "failed", "why", "from", "last", "looks like"), cells, terminal))
        parts.append(_causes(report))
        parts += _kept_out(report.looked, which) if report.looked else [_next(report, which)]
        if report.more_users:
            parts.append(f"  and {report.more_users} more users (--top N shows more)\n")
    if report.guessing:
        others: list[tuple[str, ...]] = [
            (one.address, str(one.failures), _counted(one.users), ", ".join(one.examples), one.last)
            for one in report.guessing
        ]
        parts.append("\nAddresses that try many names:\n\n")
        parts.append(_table(("address", "failed", "names", "such as", "last"), others, terminal))
        if report.more_guessing:
            parts.append(f"  and {report.more_guessing} more addresses\n")
    parts += _nameless(report)
    if report.troubles:
        parts.append("\nDovecot says of itself:\n\n")
        parts += [_trouble(one) for one in report.troubles]
    parts += [f"\nNote: {note}\n" for note in report.notes]
    return "".join(parts)


def _works(row: UserRow) -> str:
    """In the past tense, where logins work since."""
    if not row.works:
        return ""
    same_day = row.last[:10] == row.works[:10]
    return f"failed until {row.last[11:] if same_day else row.last}, works since {row.works[11 * same_day :]}"


def _addresses(row: UserRow) -> str:
    """The one that fails most, and how many others; not all lines have one."""
    more = row.addresses - bool(row.address)
    return f"{row.address or 'no address'} +{more}" if more > 0 else row.address


def _next(report: FromLogReport, which: tuple[str, ...]) -> str:
    """The command that tells a wrong password from what is logged alike, for the first of those users.

    None of a name that is not shown whole, or has a part that was escaped.
    """
    for row in report.rows:
        if row.cause in (MISMATCHES, BIND_REFUSED) and nameable(row.user) and not row.works:
            typed = next((one.typed for one in report.looked if one.user == row.user), "")
            return f"  To find out which: {_diagnose(which, typed or row.user)}\n"
    return ""


def _diagnose(which: tuple[str, ...], user: str) -> str:
    """The command, as it is typed."""
    named = ["--", user] if user.startswith("-") else [user]
    return shlex.join(["mailauth", "diagnose", *which, *named])


def _kept_out(looked: list[UserLooked], which: tuple[str, ...]) -> Iterator[str]:
    """What keeps those out who fail most, each finding once; and whom it was not found of."""
    yield "\nWhat keeps them out now, looked at without a password:\n\n"
    found: dict[str, list[tuple[UserLooked, KeptOut]]] = {}
    for one in looked:
        for each in one.blocking:
            found.setdefault(each.code, []).append((one, each))
    for code, cases in found.items():
        user, first = cases[0]
        names = ", ".join(visible(one.user) for one, _ in cases)
        yield f"  {code}  {first.title}  ({first.certainty}): {names}\n"
        yield (
            textwrap.fill(visible(first.says), 100, initial_indent=" " * 10, subsequent_indent=" " * 10)
            + "\n"
        )
        yield f"          {_diagnose(which, user.typed or user.user)}\n"
    others = [one for one in looked if not one.blocking]
    if others:
        open_of = sorted({code for one in others for code in one.undecided})
        yield f"  nothing found: {', '.join(visible(one.user) for one in others)}"
        yield f"; undecided: {', '.join(open_of)}\n" if open_of else "\n"
        yield f"          with the password: {_diagnose((*which, '-p'), others[0].typed or others[0].user)}\n"


def _nameless(report: FromLogReport) -> Iterator[str]:
    """Clients that left before they said who they are, what they did, and what says more of that."""
    if not report.nameless:
        return
    yield "\nClients that left without a name (a scan, a monitor, or a client that could not go on):\n\n"
    cells: list[tuple[str, ...]] = [
        (one.address, str(one.times), one.did, one.last) for one in report.nameless[:_NAMELESS]
    ]
    yield _table(("address", "times", "what it did", "last"), cells, terminal=False)
    following = dict.fromkeys((one.did, one.following) for one in report.nameless[:_NAMELESS])
    yield from (f"  {did}: {command}\n" for did, command in following)


def _floods(report: FromLogReport) -> Iterator[str]:
    """What fills the log without a pause up to its end, and what ends it."""
    for one in report.troubles:
        if not one.code:
            continue
        size = (one.bytes_per_day or 0) / 86400
        cure, meaning = flood_case.cure(one.text), flood_case.meaning(one.text, one.says)
        weight, hangs = ("BLOCKS LOGIN", flood_case.HANGS) if cure.waits else ("RISK", "")
        yield (
            f"{weight}  {one.code}  {flood_case.TITLE}\n"
            f"  {flood_case.speed(one.rate, size)}: {one.text}{meaning}.{hangs}"
            f"{_full(report, size)}\n"
            f"  fix    {cure.ends}\n"
            f"         {flood_case.careful(one.text)}\n"
            f"  more   mailauth explain {one.code}\n\n"
        )


def _full(report: FromLogReport, size: float) -> str:
    where = " and ".join(report.sources)
    if report.free is None:
        return f" Whatever disk has this log loses 10 GB in {flood_case.full_in(10 * 10**9, size)}."
    return (
        f" The filesystem of {where} has {flood_case.left(report.free)} free: full in"
        f" {flood_case.full_in(report.free, size)}."
    )


def _trouble(one: TroubleRow) -> str:
    rate = f", {one.rate:.0f} lines a second" if one.rate >= 1.0 else ""
    says = f"\n      {one.says}" if one.says else ""
    return f"  {one.count} x {one.text} (last {one.last or 'at an unknown time'}{rate}){says}\n"


def _causes(report: FromLogReport) -> str:
    """What Dovecot's words come to, each once, where they do not say it themselves."""
    found = {row.reason: row.cause for row in report.rows if row.cause and row.cause != row.reason}
    if not found:
        return ""
    return "\n" + "".join(f"  {reason}: {cause}.\n" for reason, cause in found.items())


def _head(report: FromLogReport) -> str:
    span = f"{report.first} to {report.last}" if report.first else "no time"
    told = (
        f"{', '.join(report.sources)}\n{span}: {counted(report.failures, 'failed login')} of"
        f" {counted(report.users, 'user')} from {counted(report.addresses, 'address', 'es')};"
        f" {counted(report.logins, 'login')} worked.\n"
    )
    if report.unproven:
        told += f"  {report.unproven} of the failed ones may have worked: see the note below\n"
    if report.failures:
        told += "".join(f"  {name}: {many} of the users\n" for name, many in report.patterns.items())
        told += _written(report)
    return told + "\n"


def _written(report: FromLogReport) -> str:
    """How much log; for a day only where the log spans an hour at least."""
    if report.bytes_per_day is None:
        return f"The failures wrote {_bytes(report.size)} of log.\n"
    return f"The failures write {_bytes(report.bytes_per_day)} of log a day.\n"


def _counted(many: int) -> str:
    return f"{many} or more" if many >= MOST_OTHERS else str(many)


def _bytes(size: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], terminal: bool) -> str:
    if terminal:
        return _rich(head, rows)
    widths = [min(_WIDEST, max(len(cell) for cell in column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(f"  {line}" for line in lines) + "\n"


def _rich(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    table = rich.table.Table(show_edge=False, header_style="")  # no style: what is printed is filtered
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if name in ("failed", "names") else "left", overflow="fold")
        table.columns[number].no_wrap = name == "last"
    for row in rows:
        table.add_row(*(rich.text.Text(cell) for cell in row))  # Text: no markup that a name might hold
    console = rich.console.Console()
    with console.capture() as capture:
        console.print(table)
    return capture.get()
