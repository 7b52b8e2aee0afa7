"""``mailauth diagnose --from-log``: who fails, why, how often; works on a copied log, without a Dovecot."""

import functools
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from mailauth.cli.given import only
from mailauth.errors import CannotObserve, UsageError

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def from_log_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of --from-log; with it, ``command`` itself is not called."""

    @click.option("--from-log", is_flag=True, help="Tell from the log which users fail, and why.")
    @click.option(
        "--log", "logs", multiple=True, metavar="FILE", help="The log to read, - for standard input."
    )
    @click.option("--since", default="24h", metavar="TIME", help="How far back: 30m, 24h, 7d, or all.")
    @click.option("--rotated", is_flag=True, help="Also read the log's rotated files.")
    @click.option("--top", type=click.IntRange(1, 1000), default=20, help="How many rows to show.")
    @click.option("--log-timestamp", metavar="FORMAT", help="Dovecot's log_timestamp, where it is its own.")
    @functools.wraps(command)
    def wrapper(
        *args: Any,
        from_log: bool,
        logs: tuple[str, ...],
        since: str,
        rotated: bool,
        top: int,
        log_timestamp: str | None,
        **named: Any,
    ) -> None:
        if from_log:
            only("diagnose --from-log", _USED)
            _show(named, logs, _span(since), rotated, top, log_timestamp)
        else:
            command(*args, **named)

    return wrapper


_USED = frozenset(
    {
        *("user", "config", "pid", "as_json"),
        *("from_log", "logs", "since", "rotated", "top", "log_timestamp", "max_seconds"),
    }
)


def _span(text: str) -> timedelta | None:
    if text == "all":
        return None
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if not found:
        raise UsageError(f"--since {text}: give a number and a unit, such as 30m, 24h or 7d, or all.")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _show(
    named: dict[str, Any],
    logs: tuple[str, ...],
    since: timedelta | None,
    rotated: bool,
    top: int,
    log_timestamp: str | None,
) -> None:
    from mailauth.dovecot.logreport import READING, Reading, read_logs, read_stream  # noqa: PLC0415
    from mailauth.dovecot.logstamp import DEFAULT_STAMP, stamp_pattern  # noqa: PLC0415
    from mailauth.render.from_log import from_log_text  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415

    if log_timestamp and stamp_pattern(log_timestamp) is None:
        raise UsageError(f"--log-timestamp {log_timestamp}: this form of a time cannot be read.")
    asked = Reading(
        tuple(Path(name) for name in logs),
        since,
        rotated,
        named.get("user") or "",
        top,
        log_timestamp or DEFAULT_STAMP,
        seconds=named.get("max_seconds") or READING,
    )
    if "-" in logs:
        if len(logs) > 1 or rotated:
            raise UsageError("--log - reads standard input only: leave the other files out.")
        report = read_stream(sys.stdin.buffer, asked)
    elif logs:
        for path in asked.paths:
            if not path.is_file():
                raise UsageError(f"{path}: there is no such file; give the log that Dovecot writes.")
        report = read_logs(asked)
    else:
        report = read_logs(*_of_this_dovecot(named, asked))
    if named.get("as_json"):
        click.echo(to_json(report))
    else:
        click.echo(from_log_text(report, terminal=sys.stdout.isatty()), nl=False)
    sys.exit(1 if report.failures or report.keeps_out else 0)


def _of_this_dovecot(named: dict[str, Any], asked: Any) -> tuple[Any, Callable[[Path], str]]:
    """The log of the Dovecot that runs here, or of the one with --pid."""
    from dataclasses import replace  # noqa: PLC0415

    from mailauth.dovecot.doveadm import Installation, at_pid  # noqa: PLC0415
    from mailauth.dovecot.site import read_config  # noqa: PLC0415
    from mailauth.probes.log import SYSLOG_FILES, log_paths  # noqa: PLC0415

    pid, config = named.get("pid"), named.get("config")
    dovecot = at_pid(pid, config) if pid is not None else Installation(config)
    site = read_config(dovecot)
    tree, several = site.tree, len(site.passdbs) > 1
    names = log_paths(tree)
    if console := next((name for name in names if name.startswith("/dev/")), ""):
        raise CannotObserve(
            f"Dovecot logs to {console}, which cannot be read again; where it runs in a container:"
            " docker logs NAME 2>&1 | mailauth diagnose --from-log --log -"
        )
    if "syslog" in names:
        names = [name for name in SYSLOG_FILES if dovecot.path(name).is_file()][:1]
    found = [name for name in names if dovecot.path(name).is_file()]
    if not found:
        raise CannotObserve(
            "Dovecot's log is in no file here (doveadm log find tells more); from the journal:"
            " journalctl -t dovecot -o short-iso --since -24h | mailauth diagnose --from-log --log -"
        )
    paths = tuple(dovecot.path(name) for name in found)
    shown = dict(zip(paths, found, strict=True))
    own = tree.get("log_timestamp") or asked.log_timestamp
    ident = tree.get("instance_name") or asked.ident
    asked = replace(asked, paths=paths, log_timestamp=own, ident=ident, several=several)
    return asked, lambda path: shown.get(path, str(path))
