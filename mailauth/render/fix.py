"""``mailauth fix`` as text.  Returns strings; prints nothing."""

from collections.abc import Iterator

from mailauth.fix.report import FixReport
from mailauth.visible import visible


def fix_text(told: FixReport) -> str:
    """The patch first, so that it can be cut out; then what else there is to do, or how it went."""
    parts = [_lines(_plan(told)) if told.code else "", _lines(_steps(told)), _lines(_end(told))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lines(lines: Iterator[str]) -> str:
    """No value in a line makes another one; a patch keeps the line ends of its file."""
    return "\n".join(visible(line, keep="\t\r") for line in lines)


def _plan(told: FixReport) -> Iterator[str]:
    yield f"{told.code}  {told.title}"
    yield from (f"  {line}" for line in told.summary)
    for file in told.files:
        yield ""
        yield from file.diff.rstrip("\n").split("\n")
    if told.entry:
        entry = told.entry
        yield ""
        yield f"entry  {entry.passdb}, {entry.place}: {entry.change.value}"
        yield f"  now      {entry.now}"
        yield f"  becomes  {entry.becomes}"
    if told.commands:
        yield ""
        yield from (
            f"{'then' if number == 0 else '    '}   {one}" for number, one in enumerate(told.commands)
        )
    yield from (f"also   {one}" for one in told.followed)
    yield from (f"careful: {one}" for one in told.careful)
    yield from (f"cannot be taken back: {one}" for one in told.lasting)


def _steps(told: FixReport) -> Iterator[str]:
    for step in told.steps:
        said = f": {step.said}" if step.said else ""
        yield f"{'ok    ' if step.ok else 'FAILED'} {step.what}{said}"
    yield from (f"note   {note}" for note in told.notes)


def _stays(told: FixReport) -> Iterator[str]:
    """What is not as it was: commands, and what Dovecot did in between."""
    yield from (f"stays: {one}; mailauth cannot take it back" for one in told.stays)
    if told.state == "rolled back" and any(one.ok and one.what == "doveadm reload" for one in told.steps):
        yield "Dovecot ran with the change meanwhile; what it did then is not taken back."


def _lasts(told: FixReport) -> bool:
    """Whether nothing of it can be taken back."""
    return len(told.lasting) >= len(told.files) + len(told.commands) + bool(told.entry) > 0


def _end(told: FixReport) -> Iterator[str]:
    match told.state:
        case "planned" if not (told.files or told.entry or told.commands):
            yield "mailauth can do none of this itself.  Do it, and run mailauth diagnose again."
        case "planned" if told.hindrance:
            yield f"Nothing was changed, and --apply would not fix it: {told.hindrance.rstrip('.')}."
            yield "Do it, and run mailauth diagnose again."
        case "planned":
            back = "" if _lasts(told) else ", and to take it back if it does not help"
            yield f"Nothing was changed.  To do it{back}: add --apply"
        case "applied":
            back = f"To take it back: mailauth fix --undo {told.id}"
            yield f"Applied.  {'It cannot be taken back, as said above.' if _lasts(told) else back}"
        case "rolled back":
            what = "all but what is named below" if told.stays else "all that mailauth wrote"
            told_above = any(not step.ok and told.problem == step.said for step in told.steps)
            yield f"Rolled back, {what} is as it was{'.' if told_above else f': {told.problem}'}"
            yield from _stays(told)
        case "undone":
            left = [step.what for step in told.steps if not step.ok]
            yield f"Taken back, except: {'; '.join(left)}" if left else "Taken back."
            yield from _stays(told)
        case _:
            why = f" ({told.problem})" if told.problem else ""
            again = f"mailauth fix --undo {told.id}"
            yield f"HALF DONE{why}: not all could be taken back; correct what failed above, then: {again}"
