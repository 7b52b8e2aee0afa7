"""Failed logins by reason, from what the log has had added since the last run."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import field

from mailauth.check import keep
from mailauth.check.asked import Server
from mailauth.check.logadded import LogPlace, added
from mailauth.check.outcome import CheckLine, Metric, Outcome, Status, of_error, outcome, over
from mailauth.dovecot.logcensus import Census
from mailauth.dovecot.logclients import of_client
from mailauth.dovecot.logs import LogEvent
from mailauth.dovecot.messages import LogKind, Why
from mailauth.dovecot.nobody import NOBODY
from mailauth.errors import CannotObserve
from mailauth.probes.log_tail import verbose
from mailauth.probes.scene import Scene
from mailauth.records import dataclass

NAME = "failures"
_MINUTE = 60.0
_MOST_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class KeptCounts:
    """Where the log was read to; failures by reason since ``since``; (time, total) of earlier runs."""

    since: float
    at: float
    places: dict[str, LogPlace]
    totals: dict[str, int] = field(default_factory=dict)
    samples: list[tuple[float, int]] = field(default_factory=list)


def check_failures(server: Server, so_far: Callable[[Outcome], None]) -> Outcome:  # noqa: ARG001 - nothing hangs
    """The rate over the window is judged by its limits."""
    path, now = server.state / "failures.json", time.time()
    with keep.alone(server.state / "failures.lock"):
        before = keep.load(path, KeptCounts)
        try:
            seen = added(server, before.places if before else {}, since=now - server.asked.window)
        except CannotObserve as why:
            return outcome(NAME, [CheckLine(of_error(why, Status.WARNING), str(why))])
        found, unproven = _counted(server, seen.events)
        kept = _with(before, found, seen.places, now, server.asked.window)
        keep.save(path, kept)
    notes = []
    if seen.passed_over:
        text = f"{seen.passed_over} bytes of the log were skipped: too many for one run"
        notes.append(CheckLine(Status.OK, text, unseen="a part of the log"))
    if before is None:
        notes.append(CheckLine(Status.OK, "the first run: the log was read from the start of the window on"))
    if unproven:
        text = (
            f"{unproven} times a passdb said no to a client without a session (Postfix, Exim), and a later"
            " one may have let it in: not counted"
        )
        notes.append(CheckLine(Status.OK, text, unseen="what a later passdb said to Postfix or Exim"))
    return _judged(server, kept, found, notes)


def _counted(server: Server, events: list[tuple[LogEvent, int]]) -> tuple[Counter[str], int]:
    """Failures by reason, without our own: the canary's, and lookups of nobody; and how many are unproven.

    Unproven are lines of one passdb of several about a client without a session: no failures by themselves.
    """
    told = verbose(Scene(server.dovecot, server.config))
    ours = {NOBODY, server.asked.canary.user.casefold() if server.asked.canary else NOBODY}
    census = Census(len(server.config.passdbs) > 1)
    sessions = {event.session for event, _ in events if event.kind is LogKind.FAILED}
    unproven = 0
    for event, size in events:
        if not of_client(event) or event.user.casefold() in ours:
            continue
        # Where auth tells of each failure, what the login process counts at the end was told before.
        known = told and event.why is not Why.SERVER and event.session not in sessions
        if event.kind is LogKind.LOGIN_FAILED and known:
            continue
        if event.kind is LogKind.FAILED and census.several and not event.session and event.given is None:
            unproven += not event.goes_on
            continue
        census.add(event._replace(reason=event.why.value), size)
    found: Counter[str] = Counter()
    for group in census.users.values():
        found.update(group.reasons)
    return found, unproven


def _with(
    before: KeptCounts | None, found: Counter[str], places: dict[str, LogPlace], now: float, window: float
) -> KeptCounts:
    totals = Counter(before.totals if before else {})
    totals.update(found)
    # A first run has looked back over the window: it began then, with none.
    samples = list(before.samples) if before else [(now - window, 0)]
    samples.append((now, sum(totals.values())))
    older = [one for one in samples if one[0] <= now - window]
    samples = [*older[-1:], *(one for one in samples if one[0] > now - window)][-_MOST_SAMPLES:]
    return KeptCounts(before.since if before else now - window, now, places, dict(totals), samples)


def _judged(server: Server, kept: KeptCounts, found: Counter[str], notes: list[CheckLine]) -> Outcome:
    (began, count_then), (ended, count_now) = kept.samples[0], kept.samples[-1]
    minutes = max(ended - began, min(_MINUTE, server.asked.window)) / _MINUTE
    rate = (count_now - count_then) / minutes
    warning, critical = server.asked.limits.failures
    status = over(rate, warning, critical)
    often = ", ".join(f"{count} {reason}" for reason, count in found.most_common(4))
    text = f"{rate:.1f} failed logins a minute over {minutes:.1f} min"
    said = [CheckLine(status, f"{text}; since the last run: {often or 'none'}")]
    said += notes
    metrics = [Metric("auth_failures_per_minute", rate, "failures", {}, f"{warning:g}", f"{critical:g}")]
    metrics += [
        Metric("auth_failures", kept.totals.get(why.value, 0), _perf(why.value, kept), {"reason": why.value})
        for why in Why
    ]
    return outcome(NAME, said, metrics)


def _perf(reason: str, kept: KeptCounts) -> str:
    """Perfdata's label, for a reason that there was."""
    return f"failed_{reason.replace(' ', '_')}" if kept.totals.get(reason) else ""
