"""``mailauth check``: a plugin for Nagios and Icinga, metrics for Prometheus."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mailauth.cli.check_options import options
from mailauth.cli.shared.options import not_both
from mailauth.dovecot import processes
from mailauth.errors import AS_ROOT, MailauthError, UsageError

if TYPE_CHECKING:
    from mailauth.check.asked import Asked, Limits
    from mailauth.check.outcome import Report
    from mailauth.clients.door import Door

CHECKS = ("server", "canary", "headroom", "rows", "workers", "failures")
SERVE = "serve"
_UNKNOWN = 3
_GRACE = 1.0  # seconds behind --timeout


class _Plugin(click.Command):
    """A plugin's wrong usage is UNKNOWN: status 3, and one line where the monitoring reads it."""

    def make_context(self, *args: Any, **named: Any) -> click.Context:
        try:
            return super().make_context(*args, **named)
        except click.UsageError as wrong:
            _unknown(wrong.format_message())

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _ending(ctx.params):
                return super().invoke(ctx)
        except click.UsageError as wrong:
            _unknown(wrong.format_message())
        except MailauthError as wrong:
            _unknown(str(wrong))


@contextmanager
def _ending(given: dict[str, Any]) -> Iterator[None]:
    """What runs in children ends in time by itself; this is for all that is done in this process.

    A thread: who waits for a file system that does not answer hears no signal but the one that kills.
    """
    clock = Timer(max(given["timeout"] + _GRACE - _age(), _GRACE), _late, [given])
    clock.daemon = True
    if SERVE not in given["checks"]:
        clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _late(given: dict[str, Any]) -> None:
    from mailauth.check.outcome import Said, Status, outcome, report  # noqa: PLC0415 - --help needs none of it

    text = f"no answer within {given['timeout']:g} s: the disk with a file that was named does not answer"
    said = Said(Status.CRITICAL, text)
    names = [one for one in CHECKS if one in (given["checks"] or ("server",))]
    told = report((outcome(name, [said]) for name in names), "", time.time())
    click.echo(_shown(told, "json" if given["as_json"] else given["form"]), nl=False)
    sys.stdout.flush()
    os._exit(told.status.number)


def _unknown(why: str) -> NoReturn:
    click.echo(f"MAILAUTH UNKNOWN - {why.replace('|', '/')}")
    raise click.exceptions.Exit(_UNKNOWN)


@click.command(cls=_Plugin)
@click.argument("checks", nargs=-1, type=click.Choice([*CHECKS, SERVE]), metavar="[CHECK]...")
@options
def check(
    checks: tuple[str, ...],
    config: str | None,
    pid: str | None,
    container: str | None,
    canary: Path | None,
    smtp: tuple[str, ...],
    smtps: tuple[str, ...],
    insecure: bool,
    host: str | None,
    timeout: float,
    form: str,
    as_json: bool,
    textfile: Path | None,
    state: Path | None,
    survey_age: float,
    rows_query: str | None,
    pause: float,
    window: float,
    log_window: float,
    listen: tuple[str, int] | None,
    interval: float,
    **limits: Any,
) -> None:
    """Monitoring checks for Nagios, Icinga and Prometheus.

    \b
    server     Dovecot runs and greets, its ports are open, its stores answer
    canary     a user logs in by each way: the auth socket, and every open port (needs --canary)
    headroom   what is free beyond the largest stored hash, under the live vsz_limit
    rows       rows that this Dovecot refuses or never matches (counted again after --survey-age)
    workers    auth-workers against their limit; queues, limits and crashes in the log
    failures   failed logins by reason, from what the log has had added since the last run

    Without CHECK: all of them.  The canary's FILE has two lines, user = NAME and password = WORDS.
    A pair of limits is WARNING CRITICAL: --failures 100 1000, --headroom 32M 8M, --greeting 2s 10s.

    mailauth check serve answers Prometheus at --listen.  Checks are run every --interval, however often it
    is scraped.

    \b
    Exit status:  0 OK   1 WARNING   2 CRITICAL: also what hangs, is down or is refused
                  3 UNKNOWN: wrong usage, or not allowed to look
    """
    if textfile is not None and textfile.suffix != ".prom":
        raise UsageError(f"--textfile {textfile}: node_exporter reads files that end in .prom only.")
    not_both(pid, container)
    asked = _asked(
        checks, config, pid, container, canary, state, limits,
        smtp=_postfix(smtp, smtps, insecure=insecure), host=host or "", timeout=timeout,
        survey_age=survey_age, rows_query=rows_query, pause=pause, window=window, log_window=log_window,
    )  # fmt: skip
    if SERVE in checks:
        from mailauth.cli.check_serve import serve  # noqa: PLC0415

        if textfile or form != "nagios" or as_json:
            raise UsageError("serve answers Prometheus: leave out --textfile, --format and --json.")
        serve(asked, listen or ("127.0.0.1", 9810), interval)
        return
    if listen is not None:
        raise UsageError("--listen goes with serve: mailauth check serve --listen HOST:PORT.")
    from mailauth.check.run import run  # noqa: PLC0415 - --help needs none of it

    report = run(replace(asked, used=_age()))
    unwritten = _written(textfile, report, asked.timeout) if textfile else ""
    if unwritten:
        click.echo(f"mailauth: {unwritten}", err=True)
        report = _with_unknown(report, unwritten)
    report = _with_command(report)
    click.echo(_shown(report, "json" if as_json else form), nl=False)
    sys.exit(report.status.number)


def _with_unknown(report: "Report", why: str) -> "Report":
    """What a monitoring reads, which has no standard error; it hides nothing that is worse."""
    from mailauth.check.outcome import Said, Status, outcome, worst  # noqa: PLC0415 - --help needs none of it

    more = outcome("textfile", [Said(Status.UNKNOWN, why)])
    status = worst([report.status, more.status])
    return replace(report, status=status, outcomes=[*report.outcomes, more])


def _with_command(report: "Report") -> "Report":
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


def _shown(report: "Report", form: str) -> str:
    from mailauth.render.check import check_text  # noqa: PLC0415 - --help needs none of it
    from mailauth.render.json import to_json  # noqa: PLC0415

    if form == "json":
        return to_json(report) + "\n"
    if form == "prometheus":
        from mailauth.render.check_metrics import check_metrics  # noqa: PLC0415 - 60 ms

        return check_metrics(report)
    return check_text(report)


def _written(textfile: Path, report: "Report", timeout: float) -> str:
    """Whole or not at all; readable by node_exporter, which is another user.  Why not, or "".

    In a child: where the disk stands still, what was found is still told.
    """
    from mailauth.check.bounded import run_all  # noqa: PLC0415 - --help needs none of it
    from mailauth.check.keep import replace_whole  # noqa: PLC0415
    from mailauth.render.check_metrics import check_metrics  # noqa: PLC0415

    content = check_metrics(report).encode()

    def write(_so_far: object) -> str:
        try:
            replace_whole(textfile, content, 0o644)
        except OSError as why:
            return f"--textfile {textfile}: cannot be written ({why.strerror})."
        return ""

    ended = run_all({"textfile": write}, max(timeout - _age(), _GRACE / 2))["textfile"]
    late = f"--textfile {textfile}: its disk does not answer."
    return ended.answer if ended.answer is not None else late


def _asked(
    checks: tuple[str, ...],
    config: str | None,
    pid: str | None,
    container: str | None,
    canary: Path | None,
    state: Path | None,
    limits: dict[str, Any],
    **more: Any,
) -> "Asked":
    """Raises UsageError."""
    from mailauth.check.asked import Asked, Which  # noqa: PLC0415 - --help needs none of it
    from mailauth.check.credentials import read_credentials  # noqa: PLC0415
    from mailauth.check.keep import folder  # noqa: PLC0415

    wanted = tuple(one for one in CHECKS if one in checks) or tuple(
        one for one in CHECKS if one != "canary" or canary
    )
    if "canary" in wanted and canary is None:
        raise UsageError("the canary needs a user: --canary FILE, with two lines, user = and password =.")
    if more["timeout"] < 1:
        raise UsageError("--timeout: give it a second at least.")
    credentials = read_credentials(canary) if canary and "canary" in (*wanted, *checks) else None
    return Asked(
        wanted, Which(config, pid, container), state or folder(), credentials, _limits(limits), **more
    )


def _postfix(smtp: tuple[str, ...], smtps: tuple[str, ...], *, insecure: bool) -> "tuple[Door, ...]":
    if not smtp and not smtps:
        return ()
    from mailauth.cli.login import named_doors  # noqa: PLC0415 - --help needs none of it

    return named_doors(smtp, smtps, guarded=not insecure)


def _limits(given: dict[str, Any]) -> "Limits":
    """Raises UsageError for a CRITICAL that comes before its WARNING."""
    from mailauth.check.asked import Limits  # noqa: PLC0415 - --help needs none of it

    for name, pair in given.items():
        if pair is None:
            continue
        warning, critical = pair
        falls = name in ("headroom", "certificate")
        if (critical > warning) if falls else (critical < warning):
            raise UsageError(
                f"--{name.replace('_', '-')}: WARNING comes first, CRITICAL is {'less' if falls else 'more'}."
            )
    named = {"canary" if name == "login_time" else name: pair for name, pair in given.items() if pair}
    return Limits(**named)
