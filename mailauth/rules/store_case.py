"""What the STORE rules share: classes of rows, told with counts and a few users."""

from collections.abc import Callable, Iterable

from mailauth.counted import counted
from mailauth.evidence import Surveyed, Surveys
from mailauth.finding import Certainty, Problem, Remedy
from mailauth.hashes.damaged import Kind
from mailauth.remedies import Words, plan
from mailauth.stores.rows import HashClass

_CAUSES, _USERS = 8, 5

Found = list[tuple[Surveyed, list[HashClass]]]


def which(surveys: Surveys, wanted: Callable[[HashClass], bool]) -> Found:
    """The classes of each store that are wanted; stores without one are left out."""
    chosen = ((store, [one for one in store.survey.classes if wanted(one)]) for store in surveys.stores)
    return [(store, classes) for store, classes in chosen if classes]


def broken(*kinds: Kind) -> Callable[[HashClass], bool]:
    """Rows that have this fault."""
    return lambda one: one.damage is not None and one.damage.kind in kinds


def told(found: Found, why: Callable[[HashClass], str]) -> str:
    """How many rows of which store, by cause, and whose."""
    return " ".join(_store(store, classes, why) for store, classes in found)


def damaged(surveys: Surveys, found: Found) -> str:
    """The same, by what is wrong with the rows under the version that is asked about."""
    return f"Under Dovecot {surveys.version}, " + told(
        found, lambda one: f"x {one.damage.detail}" if one.damage else ""
    )


def damage(
    surveys: Surveys, wanted: Callable[[HashClass], bool], remedy: Callable[[Found], Remedy]
) -> Problem | None:
    """What is wrong with the rows that are wanted; None where there are none."""
    found = which(surveys, wanted)
    if not found:
        return None
    return Problem(
        says=damaged(surveys, found),
        because=(surveys,),
        certainty=Certainty.LIKELY,
        remedy=remedy(found),
    )


def plans(surveys: Surveys, found: Found, action: Callable[[list[HashClass]], str]) -> list[Words]:
    """One plan for each store that has such rows and is no system's: passwd(1) changes those."""
    several = len(surveys.stores) > 1
    version = str(surveys.version) if surveys.as_if else ""
    return [
        plan(action(classes), store.passdb.number if several else None, version)
        for store, classes in found
        if not store.of_the_system
    ]


def some(users: Iterable[str], all_of_them: int) -> str:
    """A few names."""
    named = [user for user in users if user][:_USERS]
    if not named:
        return ""
    return f" ({', '.join(named)}{', ...' if all_of_them > len(named) else ''})"


def _store(store: Surveyed, classes: list[HashClass], why: Callable[[HashClass], str]) -> str:
    causes: dict[str, list[HashClass]] = {}
    for one in classes:
        causes.setdefault(why(one), []).append(one)
    ordered = sorted(causes.items(), key=lambda item: -_sum(item[1]))
    parts = [
        f"{_sum(alike):,} {cause}{some((user for one in alike for user in one.users), _sum(alike))}"
        for cause, alike in ordered[:_CAUSES]
    ]
    if more := ordered[_CAUSES:]:
        parts.append(f"{sum(_sum(alike) for _, alike in more):,} for {len(more)} other reasons")
    return (
        f"{store.passdb.label}: {_sum(classes):,} of {counted(store.survey.rows, 'row')}: {'; '.join(parts)}."
    )


def _sum(classes: Iterable[HashClass]) -> int:
    return sum(one.rows for one in classes)
