"""What became of an imported list, as a record (its JSON schema is made of it) and as text."""

from mailauth.counted import counted
from mailauth.migrate.bulk import Imported
from mailauth.migrate.goal import Goal
from mailauth.migrate.listed_user import DONE, NEW, Checked
from mailauth.records import dataclass
from mailauth.schema import schema_of
from mailauth.visible import visible

_SHOWN = 10  # names on a line


@dataclass(frozen=True, slots=True)
class ImportReport:
    """``counts`` are of lines, by outcome: migrated, already, no_match ...; ``named`` has up to 100 of each.

    ``id``: the journal's, for mailauth migrate undo; "" where nothing was to be changed.
    """

    id: str
    place: str
    applied: bool
    lines: int
    new: int
    left: int
    counts: dict[str, int]
    named: dict[str, list[str]]
    reasons: dict[str, int]
    not_kept: int
    cut: int
    stopped: bool
    problem: str
    seconds: float


def import_report(found: Imported, place: str, name: str) -> ImportReport:
    """``name``: the journal's; "" for none."""
    return ImportReport(
        id=name,
        place=place,
        applied=bool(name),
        lines=found.lines,
        new=found.new,
        left=found.left,
        counts={one.name.lower(): found.counts[one] for one in Checked if found.counts[one]},
        named={one.name.lower(): found.named[one] for one in Checked if one in found.named},
        reasons=dict(found.reasons),
        not_kept=found.not_kept,
        cut=found.cut,
        stopped=found.stopped,
        problem=found.problem,
        seconds=round(found.seconds, 3),
    )


def import_schema() -> dict[str, object]:
    """The JSON schema."""
    return schema_of(ImportReport)


def import_text(found: Imported, place: str, back: str, *, goal: Goal | None, key: str = "") -> str:
    """``back``: the command that takes it back; "" where there is no journal.

    ``goal``: None where the passwords were only verified.
    ``key``: the file of the migration's own key, where that is there.
    """
    told = f"; {found.seconds:.1f} s, {found.lines / found.seconds:.0f} lines/s" if found.seconds else ""
    lines = [f"{place}: {counted(found.lines, 'line')}{told}", *_counts(found, "" if back else "would be ")]
    command = f"  take it back: {back}"
    if found.not_kept:
        lines.append(f"  kept in no journal: {found.not_kept} of the old strings (plaintexts)")
    if goal and found.cut:
        lines.append(
            f"  note: {counted(found.cut, 'password', verb=('is', 'are'))} longer than the new scheme reads"
            f" ({goal.reads} bytes); only these count at a login"
        )
    if found.problem:
        lines.append(f"  ENDED: {found.problem}")
    if found.stopped or found.problem:
        again = "  interrupted; " if found.stopped else "  "
        lines.append(f"{again}to continue, run it again; users who are done are skipped")
    if back and found.new:
        lines.append(command)
        lines += [f"  its journal is sealed to {key}: without that file, no undo"] if key else []
    elif not back and goal:
        lines.append("Nothing was changed; --apply does it.")
    return "".join(f"{one if one == command else visible(one)}\n" for one in lines)


def _counts(found: Imported, would: str) -> list[str]:
    counts = [(one, found.counts[one]) for one in Checked if found.counts[one]]
    return [
        *(f"  {count:>8}  {would if one in NEW else ''}{one.value}" for one, count in counts if one in DONE),
        *(["  left as they are:"] if found.left else []),
        *(
            f"  {count:>8}  {one.value}: {_names(found.named[one])}"
            for one, count in counts
            if one not in DONE
        ),
        *(f"            {count} x {why}" for why, count in found.reasons.most_common(10)),
    ]


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more (--json)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
