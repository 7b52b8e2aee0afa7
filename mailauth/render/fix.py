"""``mailauth fix`` as text.  Returns strings; prints nothing."""

from collections.abc import Iterator

from mailauth.fix.report import FixReport
from mailauth.visible import visible


def fix_text(told: FixReport) -> str:
    """The patch first, so that it can be cut out; then what else there is to do, or how it went."""
    parts = ["\n".join(_plan(told))] if told.code else []
    if told.steps:
        parts.append("\n".join(_steps(told)))
    parts.append(_end(told))
    return "\n\n".join(part for part in parts if part) + "\n"


def _plan(told: FixReport) -> Iterator[str]:
    yield f"{told.code}  {told.title}"
    yield from (f"  {visible(line)}" for line in told.summary)
    for file in told.files:
        yield ""
        yield file.diff.rstrip("\n")
    if told.entry:
        entry = told.entry
        yield ""
        yield f"entry  {visible(entry.passdb)}, {visible(entry.place)}: {entry.change.value}"
        yield f"  now      {entry.now}"
        yield f"  becomes  {entry.becomes}"
    if told.commands:
        yield ""
        yield from (
            f"{'then' if number == 0 else '    '}   {one}" for number, one in enumerate(told.commands)
        )
    yield from (f"also   {one}" for one in told.followed)
    yield from (f"careful: {visible(one)}" for one in told.careful)
    yield from (f"cannot be taken back: {one}" for one in told.lasting)


def _steps(told: FixReport) -> Iterator[str]:
    for step in told.steps:
        said = f": {step.said}" if step.said else ""
        yield f"{'ok    ' if step.ok else 'FAILED'} {visible(step.what)}{visible(said)}"
    yield from (f"note   {visible(note)}" for note in told.notes)


def _stays(told: FixReport) -> Iterator[str]:
    """What is not as it was: commands, and what Dovecot did in between."""
    yield from (f"stays: {one}; mailauth cannot take it back" for one in told.stays)
    if told.state == "rolled back" and any(one.ok and one.what == "doveadm reload" for one in told.steps):
        yield "Dovecot ran with the change meanwhile; what it did then is not taken back."


def _end(told: FixReport) -> str:
    match told.state:
        case "planned":
            return "Nothing was changed.  To do it, and to take it back if it does not help: add --apply"
        case "applied":
            return f"Applied.  To take it back: mailauth fix --undo {told.id}"
        case "rolled back":
            what = "all but what is named below" if told.stays else "all that mailauth wrote"
            return "\n".join([f"Rolled back, {what} is as it was: {visible(told.problem)}", *_stays(told)])
        case "undone":
            return "\n".join(["Taken back.", *_stays(told)])
        case _:
            why = f" ({visible(told.problem)})" if told.problem else ""
            again = f"mailauth fix --undo {told.id}"
            return f"HALF DONE{why}: not all could be taken back; mend what failed above, then: {again}"
