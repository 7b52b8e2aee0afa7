"""Run the checks that were asked for, all at once, and be done in time whatever hangs."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from mailauth.check import keep
from mailauth.check.asked import CheckRun, Server, Which
from mailauth.check.bounded import Ended, run_all
from mailauth.check.checks import CHECKS, Check
from mailauth.check.outcome import (
    CheckLine,
    CheckReport,
    Outcome,
    Status,
    of_error,
    of_finding,
    outcome,
    report,
)
from mailauth.diagnosing import Target, refused
from mailauth.dovecot.authconfig import AuthConfig, SqlSource
from mailauth.dovecot.doveadm import Installation
from mailauth.dovecot.refusal import Refusal
from mailauth.dovecot.site import read_or_refusal
from mailauth.errors import AS_ROOT, CannotObserve, MailauthError, UsageError
from mailauth.oserrors import from_world
from mailauth.stores import sql
from mailauth.visible import with_bytes

_SPARE = 0.3  # seconds before the end for ourselves
_BUG = "a bug in mailauth: {}; please report this line"

Read = tuple[Installation, AuthConfig, Path | CheckLine] | list[CheckLine]


def run(asked: CheckRun) -> CheckReport:
    """Every check's answer.  Never raises for what is wrong with the server: that is CRITICAL."""
    at, began = time.time(), time.monotonic()
    whole = asked.timeout - min(asked.used + _SPARE, asked.timeout / 2)
    read = run_all({"config": partial(_beforehand, asked)}, whole)["config"]
    given = read.provisional if read.answer is None and not read.bug else read.answer
    if not isinstance(given, tuple):
        said = given or [_not_in_time(read, asked, "doveconf does not answer")]
        return report((outcome(name, said) for name in asked.checks), "", at)
    dovecot, config, state = given
    version = str(config.version)
    if isinstance(state, CheckLine):
        return report((outcome(name, [state]) for name in asked.checks), version, at)
    server = Server(asked, dovecot, config, state, began + whole)
    for passdb in config.passdbs:
        if isinstance(passdb.source, SqlSource):
            sql.prepare(passdb.source)  # once, and not in each of the processes
    calls = {name: partial(_guarded, name, check, server) for name, check in CHECKS if name in asked.checks}
    ended = run_all(calls, whole - (time.monotonic() - began))
    return report((_outcome(name, ended[name], asked) for name in calls), version, at)


def _beforehand(asked: CheckRun, so_far: Callable[[Read], None]) -> Read:
    """The configuration, and the folder of the state: either may be on a disk that stands still."""
    found = _configuration(asked.which)
    if isinstance(found, list):
        return found
    dovecot, config = found
    elsewhere = "elsewhere" if dovecot.pid else ""
    late = f"{asked.state}: no answer from its disk within {asked.timeout:g} s"
    so_far((dovecot, config, CheckLine(Status.CRITICAL, late)))
    try:
        return dovecot, config, keep.place_of(asked.state, config.file, config.base_dir, elsewhere)
    except CannotObserve as why:
        return dovecot, config, _known(why)


def _configuration(which: Which) -> tuple[Installation, AuthConfig] | list[CheckLine]:
    """The Dovecot and what it is set to, or what is wrong with that."""
    try:
        dovecot = which.installation()
        config = read_or_refusal(dovecot)
        if isinstance(config, Refusal):
            findings = refused(Target("", dovecot), config).diagnosis.findings
            says = CheckLine(Status.CRITICAL, f"Dovecot does not take {config.file}: {config.words}")
            # A risk while another one runs; and nothing of that one can be looked at.
            told = [replace(of_finding(finding), status=Status.CRITICAL) for finding in findings]
            return told or [says]
    except (MailauthError, OSError) as why:
        return [_known(why)]
    return dovecot, config


def _guarded(name: str, check: Check, server: Server, so_far: Callable[[Outcome], None]) -> Outcome:
    """A check's answer; what it could not look at is the server's fault, unless we are not allowed to."""
    began = time.monotonic()
    try:
        found = check(server, so_far)
    except (MailauthError, OSError, psutil.Error) as why:
        found = outcome(name, [_known(why)])
    return replace(found, seconds=time.monotonic() - began)


def _known(why: Exception) -> CheckLine:
    """What is reported of an error of the world; one of ours is raised on."""
    known = why if isinstance(why, UsageError) else from_world(why)
    if known is None:
        raise why
    if isinstance(why, PermissionError):
        return CheckLine(Status.UNKNOWN, f"{why.filename}: may not be read by us; {AS_ROOT}.")
    return CheckLine(of_error(known), with_bytes(str(known)))


def _outcome(name: str, ended: Ended[Outcome], asked: CheckRun) -> Outcome:
    if ended.answer is not None:
        return ended.answer
    if ended.provisional is not None and not ended.bug:
        return replace(ended.provisional, seconds=ended.seconds)
    return replace(outcome(name, [_not_in_time(ended, asked, "no answer")]), seconds=ended.seconds)


def _not_in_time(ended: Ended[Outcome] | Ended[Read], asked: CheckRun, what: str) -> CheckLine:
    if ended.bug:
        return CheckLine(Status.UNKNOWN, _BUG.format(ended.bug))
    return CheckLine(Status.CRITICAL, f"{what} within {asked.timeout:g} s")
