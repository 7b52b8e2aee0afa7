"""The options of ``mailauth check``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mailauth.cli.shared.options import config_option, insecure_option, rows_query_option
from mailauth.cli.shared.values import listening_address, seconds, size

_FORMATS = ("nagios", "prometheus", "json")
_PAIR = "WARNING CRITICAL"

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    config_option,
    click.option(
        "--pid", metavar="PID", help="PID of the running Dovecot master, on this machine or in a container."
    ),
    click.option("--container", metavar="NAME", help="The Dovecot in this container; looked up at each run."),
    click.option(
        "--canary",
        metavar="FILE",
        type=Path,
        help="File with user = and password = of a test user; mode 0600.",
    ),
    click.option(
        "--smtp", multiple=True, metavar="[HOST:]PORT", help="A Postfix that asks this Dovecot; repeatable."
    ),
    click.option(
        "--smtps",
        multiple=True,
        metavar="[HOST:]PORT",
        help="The same with implicit TLS (port 465); repeatable.",
    ),
    insecure_option,
    click.option(
        "--host",
        metavar="NAME",
        help="Host name that clients connect to; the certificate must be valid for it.",
    ),
    click.option(
        "--timeout",
        type=seconds,
        metavar="TIME",
        default="10s",
        show_default=True,
        help="Time limit; checks that still run then are CRITICAL.",
    ),
    click.option(
        "--format",
        "form",
        type=click.Choice(_FORMATS),
        default="nagios",
        show_default=True,
        help="Output format.",
    ),
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print JSON, as --format json does (mailauth/schemas/check.json).",
    ),
    click.option(
        "--textfile",
        metavar="FILE.prom",
        type=Path,
        help="Also write the metrics to this file, for node_exporter.",
    ),
    click.option(
        "--state",
        metavar="DIR",
        type=Path,
        help="Folder for what one run keeps for the next.  [beside the journals of mailauth fix]",
    ),
    click.option(
        "--greeting", nargs=2, type=seconds, metavar=_PAIR, help="Longest time until auth greets.  [1s 5s]"
    ),
    click.option(
        "--login-time", nargs=2, type=seconds, metavar=_PAIR, help="Longest time of a canary login.  [2s 8s]"
    ),
    click.option(
        "--pause",
        type=seconds,
        metavar="TIME",
        default="5m",
        show_default=True,
        help="Wait this long after a refused canary login.",
    ),
    click.option(
        "--certificate",
        nargs=2,
        type=seconds,
        metavar=_PAIR,
        help="Shortest remaining validity of a certificate.  [14d 0]",
    ),
    click.option(
        "--headroom",
        nargs=2,
        type=size,
        metavar=_PAIR,
        help="Least memory that is free beyond the largest hash.  [16M 0]",
    ),
    click.option(
        "--rows",
        nargs=2,
        type=click.IntRange(0),
        metavar=_PAIR,
        help="Broken rows for WARNING and CRITICAL.  [1 1]",
    ),
    click.option(
        "--survey-age",
        type=seconds,
        metavar="TIME",
        default="1h",
        show_default=True,
        help="Reuse row counts up to this age.",
    ),
    rows_query_option,
    click.option(
        "--log-window",
        type=seconds,
        metavar="TIME",
        default="10m",
        show_default=True,
        help="Ignore warnings in the log that are older than this.",
    ),
    click.option(
        "--failures",
        nargs=2,
        type=float,
        metavar=_PAIR,
        help="Failed logins a minute for WARNING and CRITICAL.  [60 600]",
    ),
    click.option(
        "--window",
        type=seconds,
        metavar="TIME",
        default="5m",
        show_default=True,
        help="Period over which failures are counted.",
    ),
    click.option(
        "--listen",
        type=listening_address,
        metavar="HOST:PORT",
        help="With serve: address and port to listen on.  [127.0.0.1:9810]",
    ),
    click.option(
        "--interval",
        type=seconds,
        metavar="TIME",
        default="60s",
        show_default=True,
        help="With serve: time between two runs of the checks.",
    ),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command
