"""The options of ``mailauth load``, and what they make."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mailauth.cli.shared.options import config_option, password_options, pid_option
from mailauth.cli.shared.pictures import picture_option
from mailauth.errors import UsageError

_MOST_RATE = 200_000.0
_STORES = ("passwd-file", "sqlite", "mysql", "pgsql")  # lab.STORES, which --help need not import


def _ramp(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[float, float] | None:
    """FROM:TO, rates.  Raises UsageError."""
    if text is None:
        return None
    first, _, last = text.partition(":")
    try:
        ends = float(first), float(last)
    except ValueError:
        ends = 0.0, 0.0
    if not all(0 < rate <= _MOST_RATE for rate in ends):
        raise UsageError(f"--ramp {text}: write FROM:TO, two rates above 0, such as 10:200.")
    return ends


_rates = click.FloatRange(0, _MOST_RATE, min_open=True)


_seconds = click.FloatRange(0, 7 * 86400.0, min_open=True)


_ms = click.FloatRange(0, 600_000.0, min_open=True)


_share = click.FloatRange(0, 100)


OPTIONS: tuple[Callable[[Any], Any], ...] = (
    # where
    click.option("--lab", is_flag=True, help="Load a disposable Dovecot, which is removed afterwards."),
    config_option,
    pid_option,
    click.option(
        "--by",
        type=click.Choice(["auth", "imap"]),
        default="auth",
        show_default=True,
        help="Log in at the auth socket, or by IMAP.",
    ),
    click.option(
        "--socket",
        type=click.Path(readable=False, path_type=Path),
        help="With --by auth: the auth-client socket.  [as configured]",
        metavar="PATH",
    ),
    click.option(
        "--host", metavar="HOST[:PORT]", help="With --by imap: server to connect to.  [127.0.0.1:143]"
    ),
    click.option("--tls", is_flag=True, help="With --by imap: implicit TLS, port 993."),
    click.option(
        "--i-own-this-server",
        "owned",
        is_flag=True,
        help="Confirm that you may load this server; needed for another machine, and for --max,"
        " --find-knee and --attack outside a lab.",
    ),
    # who
    click.option(
        "--users", metavar="FILE|-", help="Read the users from CSV user,password; - for standard input."
    ),
    click.option(
        "--user",
        metavar="NAME",
        help="Load with one user; give the password by one of the next three options.",
    ),
    password_options,
    click.option(
        "--wrong",
        type=_share,
        default=0.0,
        metavar="PERCENT",
        help="Share of logins with a wrong password, in percent.",
    ),
    click.option(
        "--penalties", is_flag=True, help="Allow wrong passwords by IMAP, which Dovecot answers with delays."
    ),
    click.option(
        "--sources",
        type=click.IntRange(1, 10_000),
        metavar="N",
        help="Send the logins (with --attack the wrong passwords) from N addresses of 127.0.0.0/8."
        "  [with --attack 100]",
    ),
    # how much
    click.option(
        "--rate",
        type=_rates,
        metavar="N",
        help="Requests a second; with --attack right logins.  [10; with --attack 5]",
    ),
    click.option(
        "--ramp",
        callback=_ramp,
        metavar="FROM:TO",
        help="Raise the rate evenly from FROM to TO requests a second.",
    ),
    click.option("--max", "most", is_flag=True, help="Send as fast as --in-flight allows (a closed loop)."),
    click.option(
        "--find-knee",
        is_flag=True,
        help="Search for the highest rate without failures whose p95 is within --p95.",
    ),
    click.option(
        "--attack",
        is_flag=True,
        help="Search for the highest rate of wrong passwords beside which every right login is answered"
        " within --wait.",
    ),
    click.option(
        "--wait",
        type=_ms,
        default=1000.0,
        show_default=True,
        metavar="MS",
        help="With --attack: longest time that a right login may wait, in ms.",
    ),
    click.option(
        "--same-address",
        is_flag=True,
        help="With --attack: users log in from the attack's addresses, as behind a webmail or NAT.",
    ),
    click.option(
        "--p95",
        type=_ms,
        default=200.0,
        show_default=True,
        metavar="MS",
        help="With --find-knee: latency that 95 % of the logins must keep, in ms.",
    ),
    click.option(
        "--step",
        type=_seconds,
        default=4.0,
        show_default=True,
        help="With --find-knee and --attack: length of one step, in seconds.",
        metavar="SECONDS",
    ),
    click.option(
        "--duration",
        type=_seconds,
        metavar="SECONDS",
        help="Length of the measured load, in seconds; with --attack longest time of the search."
        "  [10; with --attack 600]",
    ),
    click.option(
        "--warm-up",
        type=click.FloatRange(0, 3600),
        default=2.0,
        show_default=True,
        metavar="SECONDS",
        help="Length of the load before that, which is not measured, in seconds.",
    ),
    click.option(
        "--connections",
        type=click.IntRange(1, 256),
        default=4,
        show_default=True,
        metavar="N",
        help="Connections to the auth socket.",
    ),
    click.option(
        "--in-flight",
        type=click.IntRange(1, 100_000),
        metavar="N",
        help="Most requests that wait for an answer at one time; with --attack wrong passwords."
        "  [1000; by IMAP 100; with --attack 4000, by IMAP 400]",
    ),
    click.option(
        "--timeout",
        type=_seconds,
        default=30.0,
        show_default=True,
        help="Count a request as lost after this time, in seconds.",
        metavar="SECONDS",
    ),
    # until
    click.option(
        "--stop-failures", type=click.IntRange(1), metavar="N", help="Stop after N failed or lost logins."
    ),
    click.option(
        "--stop-p95", type=_ms, metavar="MS", help="Stop when the p95 of one second is above this, in ms."
    ),
    click.option(
        "--stop-errors",
        type=_share,
        metavar="PERCENT",
        help="Stop when more than this share failed or was lost, in percent.",
    ),
    # the lab
    click.option("--dovecot", metavar="VERSION", help="With --lab: Dovecot version.  [the installed one]"),
    click.option(
        "--store",
        type=click.Choice(_STORES),
        default="passwd-file",
        show_default=True,
        help="With --lab: kind of store.",
    ),
    click.option(
        "-s",
        "--scheme",
        default="ARGON2ID",
        show_default=True,
        help="With --lab: scheme of the passwords.",
        metavar="SCHEME",
    ),
    click.option(
        "--profile",
        metavar="NAME",
        help="With --lab: Argon2 parameters by name (owasp, moderate, dovecot ...).",
    ),
    click.option(
        "--lab-users",
        type=click.IntRange(1, 10_000),
        default=20,
        show_default=True,
        metavar="N",
        help="With --lab: number of users.",
    ),
    click.option(
        "--settings",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="With --lab: file with more Dovecot settings.",
        metavar="FILE",
    ),
    # what is shown
    click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/load.json)."),
    picture_option("the load over time, or the rates that were tried,"),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command
