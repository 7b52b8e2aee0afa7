"""What ``check`` does; its options are in ``check.py``."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from mailauth.check.asked import CheckRun, Limits, Which
from mailauth.check.bounded import run_all
from mailauth.check.credentials import read_credentials
from mailauth.check.keep import folder, replace_whole
from mailauth.check.outcome import CheckLine, CheckReport, Status, outcome, report, worst
from mailauth.check.run import run
from mailauth.cli.check import CHECKS, SERVE
from mailauth.cli.login_run import named_doors
from mailauth.cli.shared.given import without
from mailauth.cli.shared.options import not_both
from mailauth.clients.door import Door
from mailauth.dovecot import processes
from mailauth.errors import AS_ROOT, UsageError
from mailauth.overdue import overdue
from mailauth.render.check import check_text
from mailauth.render.json import to_json

_GRACE = 1.0  # seconds behind --timeout
_BUSY = 2.0  # processes that run or wait to, for each processor
_READ_BY = {  # which checks make use of an option
    **dict.fromkeys(("smtp", "smtps", "insecure", "login_time", "pause"), ("canary",)),
    "canary": ("canary", "workers", "failures"),
    **dict.fromkeys(("host", "greeting", "certificate"), ("server",)),
    "headroom": ("headroom",),
    "rows": ("rows",),
    **dict.fromkeys(("survey_age", "rows_query"), ("headroom", "rows")),
    "log_window": ("workers",),
    **dict.fromkeys(("failures", "window"), ("failures",)),
}


def check(  # what only _asked reads is in given
    checks: tuple[str, ...],
    timeout: float,
    form: str,
    as_json: bool,
    textfile: Path | None,
    listen: tuple[str, int] | None,
    interval: float,
    **given: Any,
) -> None:
    shown = "json" if as_json else form
    if textfile is not None and textfile.suffix != ".prom":
        raise UsageError(f"--textfile {textfile}: node_exporter reads files that end in .prom only.")
    not_both(given["pid"], given["container"])
    if SERVE in checks:
        if textfile or shown != "nagios":
            raise UsageError("serve answers Prometheus: leave out --textfile, --format and --json.")
        from mailauth.cli.check_serve import serve  # noqa: PLC0415 - a plugin runs each minute, and needs none

        serve(_asked(checks, timeout, given), listen or ("127.0.0.1", 9810), interval)
        return
    if listen is not None:
        raise UsageError("--listen goes with serve: mailauth check serve --listen HOST:PORT.")
    without("check without serve", "interval")
    if as_json:
        without("check --json", "form")
    with _ending(checks, timeout, shown):
        told = _run(_asked(checks, timeout, given), textfile)
    _say(told, shown)
    sys.exit(told.status.number)


def _say(told: CheckReport, form: str) -> None:
    """The status is the answer, also where nobody reads, or there is no room."""
    try:
        click.echo(_shown(told, form), nl=False)
        sys.stdout.flush()
    except OSError:
        # Python would try once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ending(checks: tuple[str, ...], timeout: float, form: str) -> Iterator[None]:
    """What runs in children ends in time by itself; this is for all that is done in this process.

    A thread: who waits for a file system that does not answer hears no signal but the one that kills.
    """
    with overdue(max(timeout + _GRACE - _age(), _GRACE), lambda: _late(checks, timeout, form)):
        yield


def _late(checks: tuple[str, ...], timeout: float, form: str) -> None:
    said = CheckLine(Status.CRITICAL, f"no answer within {timeout:g} s: {_why_late()}")
    names = [one for one in CHECKS if one in (checks or ("server",))]
    told = report((outcome(name, [said]) for name in names), "", time.time())
    try:
        _say(told, form)
    finally:
        os._exit(told.status.number)


def _why_late() -> str:
    """Who waits for a disk cannot be told from who waits for a processor, where many do."""
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    disk = "the disk with a file that was named does not answer"
    if load <= _BUSY * cores:
        return disk
    return f"this machine is too busy (a load of {load:.0f} on {cores} cores), or {disk}"


def _run(asked: CheckRun, textfile: Path | None) -> CheckReport:
    """What was found, and that it could not be written where that is so."""
    found = run(replace(asked, used=_age()))
    if textfile and (unwritten := _written(textfile, found, asked.timeout)):
        click.echo(f"mailauth: {unwritten}", err=True)
        found = _with_unknown(found, unwritten)
    return _with_command(found)


def _with_unknown(report: CheckReport, why: str) -> CheckReport:
    """What a monitoring reads, which has no standard error; it hides nothing that is worse."""
    more = outcome("textfile", [CheckLine(Status.UNKNOWN, why)])
    status = worst([report.status, more.status])
    return replace(report, status=status, outcomes=[*report.outcomes, more])


def _with_command(report: CheckReport) -> CheckReport:
    """What only root may see is reported with this very command."""
    command = f"run: {shlex.join(['sudo', 'mailauth', *sys.argv[1:]])}"
    outcomes = [
        replace(
            one,
            says=one.says.replace(AS_ROOT, command),
            said=[replace(each, text=each.text.replace(AS_ROOT, command)) for each in one.said],
        )
        for one in report.outcomes
    ]
    return replace(report, outcomes=outcomes)


def _age() -> float:
    """Seconds since this process began: to start takes a part of the timeout, too."""
    began = processes.began("self") / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)


def _shown(report: CheckReport, form: str) -> str:
    if form == "json":
        return to_json(report) + "\n"
    return _metrics(report) if form == "prometheus" else check_text(report)


def _metrics(report: CheckReport) -> str:
    from mailauth.render.check_metrics import check_metrics  # noqa: PLC0415 - 60 ms, and only with metrics

    return check_metrics(report)


def _written(textfile: Path, report: CheckReport, timeout: float) -> str:
    """Whole or not at all; readable by node_exporter, which is another user.  Why not, or "".

    In a child: where the disk stands still, what was found is still told.
    """
    content = _metrics(report).encode()

    def write(_so_far: object) -> str:
        try:
            replace_whole(textfile, content, 0o644)
        except OSError as why:
            return f"--textfile {textfile}: cannot be written ({why.strerror})."
        return ""

    ended = run_all({"textfile": write}, max(timeout - _age(), _GRACE / 2))["textfile"]
    late = f"--textfile {textfile}: its disk does not answer."
    return ended.answer if ended.answer is not None else late


def _asked(checks: tuple[str, ...], timeout: float, given: dict[str, Any]) -> CheckRun:
    """Raises UsageError."""
    canary = given["canary"]
    wanted = tuple(one for one in CHECKS if one in checks) or tuple(
        one for one in CHECKS if one != "canary" or canary
    )
    for option, readers in _READ_BY.items():
        if not {*readers} & {*wanted}:
            without(f"check {' '.join(wanted)}", option)
    if "canary" in wanted and canary is None:
        raise UsageError("the canary needs a user: --canary FILE, with two lines, user = and password =.")
    if timeout < 1:
        raise UsageError("--timeout: give it a second at least.")
    return CheckRun(
        checks=wanted,
        which=Which(given["config"], given["pid"], given["container"]),
        state=given["state"] or folder(),
        canary=read_credentials(canary) if canary else None,
        limits=_limits(given),
        smtp=_postfix(given["smtp"], given["smtps"], insecure=given["insecure"]),
        host=given["host"] or "",
        timeout=timeout,
        **{name: given[name] for name in ("survey_age", "rows_query", "pause", "window", "log_window")},
    )


def _postfix(smtp: tuple[str, ...], smtps: tuple[str, ...], *, insecure: bool) -> tuple[Door, ...]:
    if not smtp and not smtps:
        return ()
    return named_doors(smtp, smtps, guarded=not insecure)


def _limits(given: dict[str, Any]) -> Limits:
    """Raises UsageError for a CRITICAL that comes before its WARNING."""
    pairs: dict[str, Any] = {}
    for one in fields(Limits):
        option = "login_time" if one.name == "canary" else one.name
        if given[option] is None:
            continue
        warning, critical = pairs[one.name] = given[option]
        falls = one.name in ("headroom", "certificate")
        than = "less" if falls else "more"
        if (critical > warning) if falls else (critical < warning):
            raise UsageError(f"--{option.replace('_', '-')}: WARNING comes first, CRITICAL is {than}.")
    return Limits(**pairs)
