"""What ``log`` does; its options are in ``log.py``."""

import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailauth.cli.shared.files import awaited
from mailauth.cli.shared.given import again, without
from mailauth.cli.shared.progress import stepping
from mailauth.cli.shared.values import span
from mailauth.dovecot.authconfig import AuthConfig
from mailauth.dovecot.doveadm import Installation, chosen, no_file
from mailauth.dovecot.logjournal import read_journal
from mailauth.dovecot.logreading import read_logs, read_stream
from mailauth.dovecot.logreport import READING, FromLogReport, Reading
from mailauth.dovecot.logstamp import DEFAULT_STAMP, stamp_pattern
from mailauth.dovecot.site import read_config
from mailauth.dovecot.typed import shown
from mailauth.dovecot.username import normalise
from mailauth.errors import CannotObserve, UsageError
from mailauth.later import later
from mailauth.probes.log_tail import log_paths, stamps_of, written_by_syslog
from mailauth.render.from_log import from_log_text
from mailauth.render.json import to_json

if TYPE_CHECKING:
    from mailauth import failing
else:
    failing = later("mailauth.failing")  # 0.2 s that a copied log need not pay


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
    if logs and (config is not None or pid is not None):
        raise UsageError("--log names the file to read: leave out -c, --pid and --container.")
    if not logs:
        without("log without --log, which reads Dovecot's own setting,", "log_timestamp")
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
            raise UsageError("--log - reads standard input only: leave --rotated and each other --log out.")
        awaited(sys.stdin.fileno(), "lines of Dovecot's log")
        report = _with_something_in_it(read_stream(sys.stdin.buffer, asked), asked)
    elif logs:
        for path in asked.paths:
            if not path.is_file():
                what = no_file(path)
                raise UsageError(
                    f"{path}: {what}; give the log that Dovecot writes, or - for standard input."
                )
        report = _with_something_in_it(read_logs(asked), asked)
    else:
        dovecot = chosen(config, pid)
        report = _with_its_users(of_this_dovecot(dovecot, read_config(dovecot), asked), dovecot)
    if as_json:
        click.echo(to_json(report))
    else:
        click.echo(from_log_text(report, again(), terminal=sys.stdout.isatty()), nl=False)
    sys.exit(1 if report.failures or report.keeps_out else 3 if report.partial else 0)


def _with_its_users(report: FromLogReport, dovecot: Installation) -> FromLogReport:
    """And what keeps those out who fail most: their stored strings are looked at, without a password.

    Not where a flood is named: a server that hangs would have each of them waited for.
    """
    if not report.rows or any(one.code for one in report.troubles):
        return report
    try:
        with stepping(min(failing.MOST, len(report.rows)), "users looked at") as step:
            return replace(report, looked=failing.look_at(report.rows, dovecot, step))
    except CannotObserve as why:
        return replace(report, notes=[*report.notes, f"What keeps these users out was not looked at: {why}"])


def of_this_dovecot(dovecot: Installation, site: AuthConfig, asked: Reading) -> FromLogReport:
    """The log of the Dovecot that runs here, or of the one with --pid: its files, or the journal.

    Raises CannotObserve where there is none that can be read, and UsageError where that is no log.
    """
    tree, several = site.tree, len(site.passdbs) > 1
    asked = replace(
        asked,
        log_timestamp=tree.get("log_timestamp") or asked.log_timestamp,
        ident=tree.get("instance_name") or asked.ident,
        several=several,
        looked_up=_looked_up(asked.user, site),
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


def _looked_up(user: str, site: AuthConfig) -> str:
    """What auth makes of the name (auth_username_format, auth_default_realm), which is what it logs."""
    if not user:
        return ""
    with suppress(CannotObserve):
        return normalise(user, site, "imap").looked_up
    return ""


def _with_something_in_it(report: FromLogReport, asked: Reading) -> FromLogReport:
    """Raises CannotObserve for empty files: they are no log without a failure."""
    files = [path for path in asked.paths if str(path) != "-"]
    if report.lines or report.partial or any(path.stat().st_size for path in files):
        return report
    if not files:
        raise CannotObserve("standard input was empty: it holds no login that could be counted.")
    raise CannotObserve(
        f"{', '.join(map(str, files))}: the file is empty: it holds no login that could be counted;"
        " mailauth log without --log reads what Dovecot writes now, --rotated the older files, too."
    )
