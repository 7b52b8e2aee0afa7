"""auth-workers against their limit, and what Dovecot's log lately says of queues, limits and failures."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import psutil

from mailauth.check.asked import Server
from mailauth.check.outcome import CheckLine, Metric, Outcome, Status, of_error, of_finding, outcome
from mailauth.check.stores import look_nobody_up
from mailauth.check.unserved import logins_not_served, refused_unseen
from mailauth.check.watched import watched
from mailauth.dovecot.messages import LogKind
from mailauth.dovecot.nobody import NOBODY
from mailauth.errors import CannotObserve
from mailauth.evidence import AuthAnswer, Configured, Filesystems, LogWindow, LookedUp, NotApplicable
from mailauth.finding import Finding, Trait
from mailauth.judging import apply
from mailauth.looking import Facts, see
from mailauth.probes.fitting import workers
from mailauth.probes.log_answer import observe_answer
from mailauth.probes.log_place import observe_filesystems
from mailauth.probes.log_tail import observe_log_window
from mailauth.probes.process import NotRunning, master_process, running
from mailauth.probes.scene import Scene

NAME = "workers"
_LOG = "the log"
_APART = 0.25  # seconds between two looks at who computes
_BUSY = 0.5  # of that time


def check_workers(server: Server, so_far: Callable[[Outcome], None]) -> Outcome:  # noqa: ARG001 - nothing hangs
    """The AUTH rules judge what the log says; a queue while all workers compute is CRITICAL."""
    said, metrics, full = _processes(server)
    scene = Scene(server.dovecot, server.config)
    try:
        window = observe_log_window(scene)
    except CannotObserve as why:
        line = CheckLine(of_error(why, Status.OK), f"the log: {why}", unseen=_LOG)
        return outcome(NAME, [*said, line], metrics)
    if isinstance(window, NotApplicable):
        return outcome(NAME, [*said, CheckLine(Status.OK, window.reason, unseen=_LOG)], metrics)
    since = datetime.now().astimezone() - timedelta(seconds=server.asked.log_window)
    lately = _lately(window, since)
    facts: Facts = {LogWindow: lately, Configured: Configured("doveconf -a", server.config)}
    see(facts, AuthAnswer, lambda: observe_answer(scene))
    if any(one.floods for one in lately.troubles):
        see(facts, Filesystems, lambda: observe_filesystems(scene))
    if lately.all(LogKind.BACKEND):  # whether that is over
        see(facts, LookedUp, lambda: look_nobody_up(server))
    findings, _ = apply(watched(NAME), [facts])
    told = [_told(finding, full) for finding in findings] + logins_not_served(window, since, _canary(server))
    told += refused_unseen(scene, since, {one.user.casefold() for one in window.unserved})
    for kind in (LogKind.QUEUED, LogKind.LIMIT, LogKind.CRASHED, LogKind.ABORTED, LogKind.NOT_RESPONDING):
        count = sum(one.count for one in lately.troubles if one.kind is kind)
        metrics.append(Metric("log_troubles", count, "", {"kind": kind.name.lower()}))
    return outcome(NAME, [*said, *told], metrics)


def _told(finding: Finding, full: bool) -> CheckLine:
    told = of_finding(finding)
    worse = full and Trait.WORSE_WHEN_BUSY in finding.rule.traits
    return replace(told, status=Status.CRITICAL) if worse else told


def _canary(server: Server) -> str:
    return server.asked.canary.user if server.asked.canary else NOBODY


def _processes(server: Server) -> tuple[list[CheckLine], list[Metric], bool]:
    """How many run and compute, and whether none is left."""
    try:
        master = master_process(server.dovecot, server.config)
    except NotRunning as why:
        return [CheckLine(Status.CRITICAL, str(why), "CONF018")], [], False
    pids = running(master, "auth-worker")
    most = workers(server.dovecot, server.config)
    busy = _computing(pids)
    full = busy >= most
    metrics = [
        Metric("auth_workers", len(pids), "workers", {}, most=str(most)),
        Metric("auth_workers_busy", busy, "workers_busy", {}, f"{most - 1}", most=str(most)),
        Metric("auth_workers_limit", most),
    ]
    text = f"{len(pids)} of {most} auth-workers run, {busy} of them compute"
    return [CheckLine(Status.WARNING if full else Status.OK, text)], metrics, full


def _computing(pids: list[int]) -> int:
    """How many of these processes were on a processor, or waited for one, for half of the time."""
    before = {pid: _spent(pid) for pid in pids}
    if not before:
        return 0
    time.sleep(_APART)
    found = 0
    for pid, spent in before.items():
        with suppress(psutil.Error):
            used = _spent(pid) - spent
            found += used >= _BUSY * _APART or psutil.Process(pid).status() == psutil.STATUS_RUNNING
    return found


def _spent(pid: int) -> float:
    """Seconds of processor time; 0 for one that has ended."""
    with suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def _lately(window: LogWindow, since: datetime) -> LogWindow:
    """Only what was said lately: what is over is no alarm."""
    recent = tuple(one for one in window.troubles if one.last is None or one.last >= since)
    return replace(window, troubles=recent)
