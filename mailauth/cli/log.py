"""``mailauth log``: who fails, why, how often; works on a copied log, without a Dovecot."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailauth.cli.shared.given import again
from mailauth.cli.shared.options import config_option, pid_option
from mailauth.cli.shared.values import sayable, span
from mailauth.errors import CannotObserve, UsageError

if TYPE_CHECKING:
    from mailauth.dovecot.doveadm import Installation
    from mailauth.dovecot.logreport import Reading


@click.command()
@click.argument("user", required=False, callback=sayable)
@config_option
@pid_option
@click.option(
    "--log",
    "logs",
    multiple=True,
    metavar="FILE",
    help="Read this log, - for standard input; repeatable.  Without it: the log that Dovecot writes.",
)
@click.option(
    "--since",
    default="24h",
    show_default=True,
    metavar="TIME",
    help="Period to read, back from the last line: 30m, 24h, 7d, or all.",
)
@click.option("--rotated", is_flag=True, help="Also read the log's rotated files.")
@click.option(
    "--top", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="Rows to show."
)
@click.option(
    "--log-timestamp",
    metavar="FORMAT",
    help="Dovecot's log_timestamp setting, where it was changed.  ['%b %d %H:%M:%S ']",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Stop reading after this time, and say so.  [600]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/from-log.json).")
def log(
    user: str | None,
    config: str | None,
    pid: int | None,
    logs: tuple[str, ...],
    since: str,
    rotated: bool,
    top: int,
    log_timestamp: str | None,
    max_seconds: float | None,
    as_json: bool,
) -> None:
    """Report from Dovecot's log which users fail to log in, why, how often and from where.

    With USER: only this user's.  A copied log is read without a Dovecot.  Changes nothing.

    \b
    Exit status:  0 no failed logins   1 some failed   2 wrong usage
                  3 the log could not be read          70 a bug in mailauth
    """
    from mailauth.dovecot.doveadm import chosen, no_file  # noqa: PLC0415 - --help needs none of it
    from mailauth.dovecot.logreport import READING, Reading, read_logs, read_stream  # noqa: PLC0415
    from mailauth.dovecot.logstamp import DEFAULT_STAMP, stamp_pattern  # noqa: PLC0415
    from mailauth.render.from_log import from_log_text  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415

    if logs and (config is not None or pid is not None):
        raise UsageError("--log names the file to read: leave out -c, --pid and --container.")
    if log_timestamp and stamp_pattern(log_timestamp) is None:
        raise UsageError(f"--log-timestamp {log_timestamp}: this form of a time cannot be read.")
    asked = Reading(
        tuple(Path(name) for name in logs),
        span(since, "--since"),
        rotated,
        user or "",
        top,
        log_timestamp or DEFAULT_STAMP,
        seconds=max_seconds or READING,
    )
    if "-" in logs:
        if len(logs) > 1 or rotated:
            raise UsageError("--log - reads standard input only: leave the other files out.")
        report = read_stream(sys.stdin.buffer, asked)
    elif logs:
        for path in asked.paths:
            if not path.is_file():
                what = no_file(path)
                raise UsageError(
                    f"{path}: {what}; give the log that Dovecot writes, or - for standard input."
                )
        report = read_logs(asked)
    else:
        report = read_logs(*_of_this_dovecot(chosen(config, pid), asked))
    if as_json:
        click.echo(to_json(report))
    else:
        click.echo(from_log_text(report, again(), terminal=sys.stdout.isatty()), nl=False)
    sys.exit(1 if report.failures or report.keeps_out else 0)


def _of_this_dovecot(dovecot: "Installation", asked: "Reading") -> "tuple[Reading, Callable[[Path], str]]":
    """The log of the Dovecot that runs here, or of the one with --pid."""
    from dataclasses import replace  # noqa: PLC0415

    from mailauth.dovecot.site import read_config  # noqa: PLC0415
    from mailauth.probes.log import SYSLOG_FILES, log_paths  # noqa: PLC0415

    site = read_config(dovecot)
    tree, several = site.tree, len(site.passdbs) > 1
    names = log_paths(tree)
    if console := next((name for name in names if name.startswith("/dev/")), ""):
        raise CannotObserve(
            f"Dovecot logs to {console}, which cannot be read again; where it runs in a container:"
            " docker logs NAME 2>&1 | mailauth log --log -"
        )
    if "syslog" in names:
        names = [name for name in SYSLOG_FILES if dovecot.path(name).is_file()][:1]
    found = [name for name in names if dovecot.path(name).is_file()]
    if not found:
        raise CannotObserve(
            "Dovecot's log is in no file here (see doveadm log find); from the journal:"
            " journalctl -t dovecot -o short-iso --since -24h | mailauth log --log -"
        )
    paths = tuple(dovecot.path(name) for name in found)
    shown = dict(zip(paths, found, strict=True))
    own = tree.get("log_timestamp") or asked.log_timestamp
    ident = tree.get("instance_name") or asked.ident
    asked = replace(asked, paths=paths, log_timestamp=own, ident=ident, several=several)
    return asked, lambda path: shown.get(path, str(path))
