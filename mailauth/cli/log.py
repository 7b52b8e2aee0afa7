"""``mailauth log``: who fails, why, how often; works on a copied log, without a Dovecot."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailauth.cli.shared.given import again
from mailauth.cli.shared.options import config_option, pid_option
from mailauth.cli.shared.values import sayable, span
from mailauth.errors import CannotObserve, UsageError

if TYPE_CHECKING:
    from mailauth.dovecot.doveadm import Installation
    from mailauth.dovecot.logreport import FromLogReport, Reading


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

    With USER: only this user's.  Where Dovecot logs to syslog and no file in /var/log has its lines, the
    journal is read.  A copied log is read without a Dovecot.  Changes nothing.

    \b
    Exit status:  0 no failed logins   1 some failed   2 wrong usage
                  3 the log could not be read          70 a bug in mailauth
    """
    from mailauth.dovecot.doveadm import chosen, no_file  # noqa: PLC0415 - --help needs none of it
    from mailauth.dovecot.logreading import read_logs, read_stream  # noqa: PLC0415
    from mailauth.dovecot.logreport import READING, Reading  # noqa: PLC0415
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
        report = _of_this_dovecot(chosen(config, pid), asked)
    if as_json:
        click.echo(to_json(report))
    else:
        click.echo(from_log_text(report, again(), terminal=sys.stdout.isatty()), nl=False)
    sys.exit(1 if report.failures or report.keeps_out else 0)


def _of_this_dovecot(dovecot: "Installation", asked: "Reading") -> "FromLogReport":
    """The log of the Dovecot that runs here, or of the one with --pid: its files, or the journal."""
    from mailauth.dovecot.logjournal import read_journal  # noqa: PLC0415
    from mailauth.dovecot.logreading import read_logs  # noqa: PLC0415
    from mailauth.dovecot.site import read_config  # noqa: PLC0415
    from mailauth.dovecot.typed import shown  # noqa: PLC0415
    from mailauth.probes.log import log_paths, stamps_of, written_by_syslog  # noqa: PLC0415

    site = read_config(dovecot)
    tree, several = site.tree, len(site.passdbs) > 1
    asked = replace(
        asked,
        log_timestamp=tree.get("log_timestamp") or asked.log_timestamp,
        ident=tree.get("instance_name") or asked.ident,
        several=several,
    )
    names = log_paths(tree)
    if console := next((name for name in names if name.startswith("/dev/")), ""):
        raise CannotObserve(
            f"Dovecot logs to {console}, which cannot be read again; where it runs in a container:"
            " docker logs NAME 2>&1 | mailauth log --log -"
        )
    if "syslog" in names:
        names = [written_by_syslog(dovecot, stamps_of(tree))]
        if not names[0] and not dovecot.pid and (program := shutil.which("journalctl")):
            if asked.rotated:
                raise UsageError(
                    "--rotated: Dovecot logs to the journal, which is in one piece; leave it out."
                )
            return read_journal(program, asked)
    found = [name for name in names if name and dovecot.path(name).is_file()]
    if not found:
        find = shown(dovecot, "doveadm", "log", "find")
        raise CannotObserve(
            f"Dovecot's log is in no file here; {find} shows where it is, mailauth log --log FILE reads it."
        )
    places = {dovecot.path(name): name for name in found}
    return read_logs(replace(asked, paths=tuple(places)), lambda path: places.get(path, str(path)))
