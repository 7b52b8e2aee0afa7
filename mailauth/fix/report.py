"""What ``mailauth fix`` says, as plain data: mailauth/schemas/fix.json is made of it.  Holds no secret."""

import shlex

from mailauth.dovecot import typed
from mailauth.finding import StoreChange
from mailauth.fix.apply import Ending
from mailauth.fix.entry import shown
from mailauth.fix.journal import FixState
from mailauth.fix.patch import diff
from mailauth.fix.ready import Ready
from mailauth.records import dataclass
from mailauth.remedies import RELOAD, Words, start
from mailauth.schema import schema_of


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file, and its change as a unified diff."""

    path: str
    made: bool
    diff: str


@dataclass(frozen=True, slots=True)
class EntryReport:
    """What happens to the user's entry; the string as scheme and parameters only."""

    change: StoreChange
    passdb: str
    place: str
    now: str
    becomes: str


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step that was taken."""

    what: str
    ok: bool
    said: str


@dataclass(frozen=True, slots=True)
class FixReport:
    """``state`` is "planned" for a dry run.  ``id``: for mailauth fix --undo."""

    state: str
    id: str
    code: str
    title: str
    user: str
    dovecot: str
    summary: list[str]
    careful: list[str]
    files: list[FileReport]
    entry: EntryReport | None
    commands: list[str]
    followed: list[str]
    lasting: list[str]  # what cannot be taken back once it is done
    steps: list[StepReport]
    hindrance: str  # why to apply it mends nothing, or ""
    problem: str
    notes: list[str]
    stays: list[str]  # what was done and cannot be taken back


def report(ready: Ready, ending: Ending | None = None) -> FixReport:
    """The plan, and how it went where it was applied."""
    plan = ready.plan
    return FixReport(
        state=_state(ending),
        id=ending.id if ending else "",
        code=plan.code,
        title=plan.title,
        user=ready.target.user,
        dovecot=str(ready.looked.config.version),
        summary=list(plan.summary),
        careful=list(plan.careful),
        files=[FileReport(change.path, change.before is None, diff(change)) for change in plan.files],
        entry=_entry(ready),
        commands=[_command(ready, one) for one in plan.commands],
        followed=list(map(shlex.join, plan.followed)),
        lasting=list(ready.lasting),
        steps=_steps(ending),
        hindrance=ready.hindrance,
        problem=ending.problem if ending else "",
        notes=list(ending.notes) if ending else [],
        stays=list(ending.stays) if ending else [],
    )


def undone(ending: Ending) -> FixReport:
    """How taking back went."""
    return FixReport(
        *(_state(ending), ending.id, "", "", "", "", [], [], [], None, [], [], []),
        steps=_steps(ending),
        hindrance="",
        problem=ending.problem,
        notes=list(ending.notes),
        stays=list(ending.stays),
    )


def schema() -> dict[str, object]:
    """The JSON schema."""
    return schema_of(FixReport)


def _state(ending: Ending | None) -> str:
    if ending is None:
        return "planned"
    return "half done" if ending.state is FixState.APPLYING else ending.state.value


def _steps(ending: Ending | None) -> list[StepReport]:
    return [StepReport(step.what, step.ok, step.said) for step in ending.steps] if ending else []


def _command(ready: Ready, words: Words) -> str:
    """As it is typed; a Dovecot that does not run has nothing to reload."""
    if words == RELOAD and ready.looked.diagnosis.down:
        return start(ready.target.dovecot.config)
    return typed.shown(ready.target.dovecot, *words)


def _entry(ready: Ready) -> EntryReport | None:
    entry, change = ready.entry, ready.plan.store
    if entry is None or change is None:
        return None
    becomes = shown(ready.new, entry.passdb) if ready.new is not None else ""
    if not becomes:
        becomes = "mended" if change is StoreChange.MEND else "a new hash"
    return EntryReport(change, entry.passdb.label, entry.place, shown(entry.old, entry.passdb), becomes)
