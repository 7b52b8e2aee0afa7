"""Whether the largest stored hash fits into the process that verifies it, under its live limit."""

from collections.abc import Callable
from dataclasses import replace

from mailauth.check.asked import Server
from mailauth.check.kept_counts import KeptSurvey, survey
from mailauth.check.outcome import (
    CheckLine,
    Metric,
    Outcome,
    Status,
    ago,
    of_error,
    of_finding,
    outcome,
    under,
)
from mailauth.check.watched import watched
from mailauth.dovecot.sizes import show_size
from mailauth.errors import CannotObserve
from mailauth.evidence import Configured, StoreMemory
from mailauth.judging import apply
from mailauth.memory.fitting import PassdbFit, ServiceFit
from mailauth.probes.fitting import FitQuestion, fit_passdb

NAME = "headroom"


def check_headroom(server: Server, so_far: Callable[[Outcome], None]) -> Outcome:
    """STORE004 judges; less to spare than the limits say is MEM003."""
    kept = survey(server, NAME, so_far)
    if isinstance(kept, Outcome):
        return kept
    fits, unseen = _fits(server, kept)
    memory = StoreMemory("/proc, and the largest hash of each store", tuple(fits))
    seen = {StoreMemory: memory, Configured: Configured("doveconf -a", server.config)}
    findings, _ = apply(watched(NAME), [seen])
    said = [*(of_finding(finding) for finding in findings), *unseen]
    metrics: list[Metric] = []
    for fit in fits:
        for service in fit.services:
            said += _spare(server, fit, service)
            metrics += _metrics(server, fit, service)
    if not said and kept.stores and all(one.unseen for one in kept.not_read):
        said.append(CheckLine(Status.OK, "no stored hash needs much memory"))
    aged = [_aged(one, kept) for one in said]
    return outcome(NAME, [*aged, *kept.not_counted(server.asked.survey_age)], metrics)


def _aged(one: CheckLine, kept: KeptSurvey) -> CheckLine:
    """The limits are of now; the hashes are those of the count, which may be kept from an earlier run."""
    text = one.text.removesuffix(".")
    return replace(one, text=f"{text} (of the rows counted {ago(kept.age)})")


def _fits(server: Server, kept: KeptSurvey) -> tuple[list[PassdbFit], list[CheckLine]]:
    """Each store's fit; and why of some there is none."""
    passdbs = {passdb.number: passdb for passdb in server.config.passdbs}
    fits: list[PassdbFit] = []
    unseen: list[CheckLine] = []
    for one in kept.stores:
        if passdb := passdbs.get(one.passdb):
            try:
                fits.append(fit_passdb(FitQuestion(server.dovecot), server.config, passdb, one.census))
            except CannotObserve as why:
                unseen.append(CheckLine(of_error(why), f"{passdb.label}: {why}"))
    return fits, unseen


def _spare(server: Server, fit: PassdbFit, one: ServiceFit) -> list[CheckLine]:
    service = one.process.service
    if one.spare is None:
        return [CheckLine(Status.OK, f"{fit.passdb}: {service} has no limit")]
    status = under(one.spare, *server.asked.limits.headroom)
    if one.harms and status is not Status.OK:
        return []  # STORE004 says it
    largest = fit.census.largest if fit.census else None
    text = f"{fit.passdb}: {service} has {show_size(max(one.spare, 0))} to spare"
    if largest:
        text += f" beyond the largest hash, {largest.shown}"
    return [CheckLine(status, text, "" if status is Status.OK else "MEM003")]


def _metrics(server: Server, fit: PassdbFit, one: ServiceFit) -> list[Metric]:
    labels = {"passdb": fit.passdb, "service": one.process.service}
    warning, critical = server.asked.limits.headroom
    if one.spare is None or one.process.live is None:
        return []
    perf = f"headroom_{fit.passdb.split()[1]}_{one.process.service}"
    return [
        Metric("headroom_bytes", one.spare, perf, labels, f"{warning}:", f"{critical}:"),
        Metric("vsz_limit_bytes", one.process.live, "", labels),
    ]
