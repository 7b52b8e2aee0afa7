"""An audit of whole stores: as records (their JSON schema is made of them), as a table, as CSV."""

import io
from collections.abc import Sequence
from typing import Any

from mailauth.cells import Sheet
from mailauth.dovecot.sizes import show_size
from mailauth.evidence import Surveyed, Surveys
from mailauth.hashes.damaged import Fate
from mailauth.hashes.strength import Level
from mailauth.memory.footprint import of
from mailauth.records import dataclass
from mailauth.render.memory import columns
from mailauth.schema import schema_of
from mailauth.stores.rows import HashClass
from mailauth.visible import visible

SOUND, NEVER = Fate.SOUND.value, Fate.NEVER.value
REFUSED, UNKNOWN = Fate.REFUSED.value, Fate.UNKNOWN.value
LOCKED, OPEN = Fate.LOCKED.value, Fate.OPEN.value
WEAK = "sound, weaker than recommended"
STRENGTHS = {  # what a level is called where there is room for it
    Level.GOOD.value: "as recommended",
    Level.BELOW.value: "below the recommendation",
    Level.POOR.value: "an algorithm that is quick to guess",
    Level.NONE.value: "the password itself, or as good as that",
}
_WELL = (SOUND, LOCKED)
_MOST_LINES = 40


@dataclass(frozen=True, slots=True)
class ClassReport:
    """All rows with one scheme, parameters, prefix, length and fate."""

    hash: str  # without salt and digest
    scheme: str
    params: dict[str, int | str]
    prefixed: bool
    length: int  # 0: the password's own, or several
    rows: int
    fate: str  # sound, locked, lets anyone in, refused as weak, unknown scheme, never matches
    why: str
    mendable: bool
    strength: str  # good, below, poor, none; "" where it is not known
    strength_why: str
    memory: int  # bytes that one verification takes
    users: list[str]  # a few


@dataclass(frozen=True, slots=True)
class StoreReport:
    """One passdb's store."""

    passdb: str
    driver: str
    place: str
    default_scheme: str
    rows: int
    without_password: int
    users_twice: list[str]
    odd_names: list[str]  # lines of a file whose name nobody can type, and why
    not_judged: list[str]  # lines of a file that are too long, and their length
    column_type: str
    column_width: int | None
    largest: str  # the hash that takes most memory
    memory: int
    classes: list[ClassReport]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The whole; ``dovecot`` is the version that judges."""

    dovecot: str
    stores: list[StoreReport]
    not_read: list[str]
    sample: list[str]  # what known passwords say of strings whose form leaves them open
    nobody: bool  # no row of any store has a password, so nobody can log in

    @property
    def broken(self) -> int:
        """Sheet that this Dovecot does not let in."""
        return sum(one.rows for store in self.stores for one in store.classes if one.fate not in _WELL)


def audit_report(surveys: Surveys, sample: Sequence[str] = ()) -> AuditReport:
    stores = [_store(one) for one in surveys.stores]
    return AuditReport(
        str(surveys.version), stores, list(surveys.unasked), list(sample), surveys.let_nobody_in
    )


def audit_schema() -> dict[str, Any]:
    """mailauth/schemas/audit.json."""
    return schema_of(AuditReport)


def _store(one: Surveyed) -> StoreReport:
    classes = [_class(each) for each in one.survey.classes]
    largest = max(
        (each for each in classes if each.fate == SOUND), key=lambda each: each.memory, default=None
    )
    column = one.survey.column
    return StoreReport(
        passdb=one.passdb.label,
        driver=one.passdb.driver,
        place=one.survey.place,
        default_scheme=one.passdb.default_scheme,
        rows=one.survey.rows,
        without_password=one.survey.nulls,
        users_twice=list(one.survey.twice),
        odd_names=list(one.survey.odd),
        not_judged=list(one.survey.passed_over),
        column_type=column.type if column else "",
        column_width=column.width if column else None,
        largest=largest.hash if largest and largest.memory else "",
        memory=largest.memory if largest else 0,
        classes=classes,
    )


def _class(one: HashClass) -> ClassReport:
    parsed = one.hash
    judged = parsed.strength if parsed else None
    damage = one.damage
    return ClassReport(
        hash=one.shown,
        scheme=one.scheme,
        params=dict(one.params),
        prefixed=one.prefixed,
        length=one.length,
        rows=one.rows,
        fate=one.fate.value,
        why=damage.detail if damage else _perhaps(one),
        mendable=damage is not None and damage.mendable,
        strength=judged.level.value if judged else "",
        strength_why=judged.says if judged else "",
        memory=of(parsed).always if parsed else 0,
        users=list(one.users),
    )


def _perhaps(one: HashClass) -> str:
    return f"or {', '.join(one.perhaps)} without {{SCHEME}}" if one.perhaps else ""


def audit_text(report: AuditReport) -> str:
    """A table for each store, and what to know of it."""
    parts = [text for store in report.stores for text in _store_text(store, report.dovecot)]
    parts += [f"NOT READ  {one}" for one in report.not_read]
    parts += report.sample
    if report.nobody:
        parts.append("Nobody can log in: no row has a password.")
    return "".join(f"{visible(part)}\n" for part in parts)


def _store_text(store: StoreReport, dovecot: str) -> list[str]:
    head = ("rows", "%", "hash", "length", "memory", f"under Dovecot {dovecot}")
    shown = store.classes[:_MOST_LINES]
    table = [
        (
            f"{one.rows:,}",
            f"{100 * one.rows / max(store.rows, 1):.1f}",
            one.hash if one.prefixed or not one.hash else f"{one.hash}  (no {{SCHEME}})",
            str(one.length or "-"),
            show_size(one.memory) if one.memory else "-",
            _said(one),
        )
        for one in shown
    ]
    default = f"what has no {{SCHEME}} is {store.default_scheme}"
    lines = [f"{store.passdb}, {store.place}: {store.rows:,} rows; {default}", *columns(head, table, (2, 5))]
    if more := store.classes[_MOST_LINES:]:
        lines.append(f"{sum(one.rows for one in more):,} rows more in {len(more)} classes: --json has them")
    lines += [f"  {fate}: {rows:,}" for fate, rows in _fates(store).items()]
    weak = sum(one.rows for one in store.classes if is_weak(one))
    lines.append(f"  weak by today's numbers: {weak:,}")
    if store.without_password:
        lines.append(f"  without a password (NULL): {store.without_password:,}")
    if store.users_twice:
        lines.append(
            f"  users with several entries: {len(store.users_twice):,} ({store.users_twice[0]}, ...)"
        )
    if store.not_judged:
        lines.append(f"  lines that were not judged: {len(store.not_judged):,} ({store.not_judged[0]})")
    if store.odd_names:
        lines.append(f"  names that nobody types: {len(store.odd_names):,} ({store.odd_names[0]})")
    if store.column_type:
        lines.append(f"  the column is {store.column_type}")
    if store.memory:
        lines.append(f"  most memory: {show_size(store.memory)}, for {store.largest}")
    return [*lines, ""]


def is_weak(one: ClassReport) -> bool:
    return one.strength not in ("", Level.GOOD.value)


def drawn_as(one: ClassReport) -> str:
    """What becomes of its rows, in a picture: of sound ones, whether they are weak, too."""
    return WEAK if one.fate == SOUND and is_weak(one) else one.fate


def _said(one: ClassReport) -> str:
    if one.fate == SOUND:
        said = f"{one.fate}; {STRENGTHS[one.strength]}" if is_weak(one) else one.fate
        return f"{said}; {one.why}" if one.why else said
    more = ", ..." if one.rows > len(one.users) else ""
    users = f" ({', '.join(one.users)}{more})" if one.users else ""
    return f"{one.fate}: {one.why}{users}" if one.fate in _EXPLAINED else f"{one.fate}{users}"


_EXPLAINED = (NEVER, OPEN)


def _fates(store: StoreReport) -> dict[str, int]:
    found = {fate.value: 0 for fate in (Fate.SOUND, Fate.REFUSED, Fate.UNKNOWN, Fate.NEVER)}
    for one in store.classes:
        found[one.fate] = found.get(one.fate, 0) + one.rows
    return found


def audit_csv(report: AuditReport) -> str:
    """One line for each class."""
    out = io.StringIO()
    lines = Sheet(out)
    names = ["hash", "scheme", "prefixed", "length", "rows", "fate", "why", "strength", "memory"]
    lines.write(["passdb", "place", *names, "users"])
    for store in report.stores:
        for one in store.classes:
            own = [getattr(one, name) for name in names]
            lines.write(map(str, (store.passdb, store.place, *own, " ".join(one.users))))
    return out.getvalue()
