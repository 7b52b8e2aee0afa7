"""Rows of the stores that this Dovecot refuses, or that never match."""

from collections.abc import Callable

from mailauth.check.asked import Server
from mailauth.check.kept_counts import ROWS, Counted, survey
from mailauth.check.outcome import CheckLine, Metric, Outcome, Status, ago, outcome
from mailauth.check.watched import watched
from mailauth.counted import counted
from mailauth.finding import Trait

NAME = ROWS
# How many of these rows there are is no number of broken ones.
_NOT_COUNTED = {rule.code for rule in watched(NAME) if Trait.SOUND_ROWS in rule.traits}


def check_rows(server: Server, so_far: Callable[[Outcome], None]) -> Outcome:
    """STORE001, STORE002 and STORE003 judge; how many rows are too many is the limits'."""
    kept = survey(server, NAME, so_far)
    if isinstance(kept, Outcome):
        return kept
    metrics = [metric for store in kept.stores for metric in _metrics(store)]
    broken = sum(rows for one in kept.stores for fate, rows in one.fates.items() if fate not in _WELL)
    warning, critical = server.asked.limits.rows
    if kept.stores:  # else there is no number of broken ones
        metrics.append(Metric("survey_age_seconds", kept.age, "survey_age"))
        metrics.append(Metric("rows_broken", broken, "rows_broken", {}, f"{warning - 1}", f"{critical - 1}"))
    status = Status.CRITICAL if broken >= critical else Status.WARNING if broken >= warning else Status.OK
    if status is Status.CRITICAL and any(one.unseen for one in kept.not_read):
        status = Status.WARNING  # another passdb may let these users in
    said = [one if one.code in _NOT_COUNTED else CheckLine(status, one.text, one.code) for one in kept.said]
    if not said and kept.stores:
        locked = sum(one.fates.get("locked", 0) for one in kept.stores)
        total = sum(sum(one.fates.values()) for one in kept.stores)
        but = f", {locked:,} of them locked" if locked else ""
        said.append(CheckLine(Status.OK, f"{counted(total, 'row')}: all sound{but}"))
    if kept.stores:
        said.append(CheckLine(Status.OK, f"counted {ago(kept.age)}, in {kept.seconds:.2f} s"))
    return outcome(NAME, [*said, *kept.not_counted(server.asked.survey_age)], metrics)


_WELL = ("sound", "locked")


def _metrics(store: Counted) -> list[Metric]:
    return [
        Metric("rows", rows, "", {"passdb": store.label, "fate": fate}) for fate, rows in store.fates.items()
    ]
