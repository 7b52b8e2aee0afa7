"""``mailauth login USER``."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, insecure_option, password_options, pid_option

_PROTOCOLS = ("imap", "pop3", "submission", "sieve", "smtp")
_MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER")


@click.command(cls=Command)
@click.argument("user")
@config_option
@pid_option
@password_options
@click.option(
    "--way",
    "protocols",
    type=click.Choice(_PROTOCOLS),
    multiple=True,
    help="Use only this protocol; repeatable.",
)
@click.option(
    "--mechanism",
    "mechanisms",
    type=click.Choice(_MECHANISMS, case_sensitive=False),
    multiple=True,
    help="Use only this SASL mechanism; repeatable.  [all that are offered]",
)
@click.option(
    "--tls",
    type=click.Choice(["plain", "starttls", "tls"]),
    multiple=True,
    help="Use only this TLS mode; repeatable.",
)
@click.option("--every", is_flag=True, help="Try each mechanism at each port, not only at the best one.")
@click.option(
    "--host",
    metavar="NAME",
    default="",
    help="Connect to this host instead of the addresses that Dovecot listens on.",
)
@click.option(
    "--smtp",
    multiple=True,
    metavar="[HOST:]PORT",
    help="A Postfix that asks this Dovecot, if it is not found; repeatable.",
)
@click.option(
    "--smtps", multiple=True, metavar="[HOST:]PORT", help="The same with implicit TLS (port 465); repeatable."
)
@insecure_option
@click.option(
    "--from-address", "address", metavar="IP", default="", help="Client address that is passed to auth."
)
@click.option(
    "--refusals",
    type=click.IntRange(1, 100),
    default=8,
    show_default=True,
    help="Stop after this many logins with a refused password.",
    metavar="N",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86400),
    default=120,
    show_default=True,
    help="Time for all logins; what has no answer by then is undecided.",
    metavar="SECONDS",
)
@click.option(
    "--watch",
    type=click.FloatRange(1, 86400),
    metavar="SECONDS",
    help="Repeat every SECONDS; print changes only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/login.json).")
def login() -> None:
    """Log USER in by every protocol and mechanism, and name the first layer that refuses.

    From the stored hash outwards: our own judgement of it, doveadm auth test and login, the auth socket,
    then IMAP, POP3, submission and ManageSieve as they listen (plain, STARTTLS, TLS), and the Postfix of
    this machine that asks this Dovecot.  Each is tried once.  These are real logins; they appear in the log.

    A refused password is not tried again by the same way, and at most --refusals times in all.  At the
    protocols each refusal counts towards Dovecot's penalty for the address that it comes from.

    \b
    Exit status:  0 all ways let USER in       1 one does not
                  2 wrong usage                3 one could not be looked at
    """
