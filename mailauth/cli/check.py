"""``mailauth check``: a plugin for Nagios and Icinga, metrics for Prometheus."""

from typing import Any, NoReturn

import click

from mailauth.cli.check_options import options
from mailauth.cli.shared.command import Command
from mailauth.errors import MailauthError
from mailauth.visible import with_bytes

CHECKS = ("server", "canary", "headroom", "rows", "workers", "failures")
SERVE = "serve"
_UNKNOWN = 3


class _Plugin(Command):
    """A plugin's wrong usage is UNKNOWN: status 3, and one line where the monitoring reads it."""

    def make_context(self, *args: Any, **named: Any) -> click.Context:
        try:
            return super().make_context(*args, **named)
        except click.UsageError as wrong:
            _unknown(wrong.format_message())

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as wrong:
            _unknown(wrong.format_message())
        except MailauthError as wrong:
            _unknown(str(wrong))


def _unknown(why: str) -> NoReturn:
    click.echo(f"MAILAUTH UNKNOWN - {with_bytes(why).replace('|', '/')}")
    raise click.exceptions.Exit(_UNKNOWN)


@click.command(cls=_Plugin)
@click.argument("checks", nargs=-1, type=click.Choice([*CHECKS, SERVE]), metavar="[CHECK]...")
@options
def check() -> None:
    """Monitoring checks for Nagios, Icinga and Prometheus.

    \b
    server     Dovecot runs and greets, its ports are open, its stores answer
    canary     a user logs in by each way: the auth socket, and every open port (needs --canary)
    headroom   memory that is free beyond the largest stored hash, under the live vsz_limit
    rows       rows that this Dovecot refuses or never matches (counted again after --survey-age)
    workers    auth-workers against their limit; queues, limits and crashes in the log
    failures   failed logins by reason, in what was added to the log since the last run

    Without CHECK: all of them.  The canary's FILE has two lines, user = NAME and password = WORDS.
    A pair of limits is WARNING CRITICAL: --failures 100 1000, --headroom 32M 8M, --greeting 2s 10s.

    mailauth check serve answers Prometheus at --listen.  Checks are run every --interval, however often it
    is scraped.

    \b
    Exit status:  0 OK   1 WARNING   2 CRITICAL: also what hangs, is down or refuses
                  3 UNKNOWN: wrong usage, or not allowed to look
    """
