"""``mailauth load``."""

import click

from mailauth.cli.load_options import options
from mailauth.cli.shared.command import Command

_EPILOG = """\b
mailauth load --lab --profile dovecot --find-knee
mailauth load --users users.csv --rate 50 --duration 60
mailauth load --lab --by imap --ramp 5:50
mailauth load --lab --attack --settings my.conf

\b
Exit status:  0 nothing failed, a knee was found, or --attack finished its search
              1 some failed, were lost or unsent, a --stop ended it, there is no knee, or --attack
                was cut short
              2 wrong usage
              3 the server could not be reached
              130 interrupted; the report has what was measured
"""


@click.command(cls=Command, epilog=_EPILOG)
@options
def load() -> None:
    """Measure the login rate that Dovecot sustains, and what happens above it.

    Sends logins to the auth socket, or by IMAP, at a rate that does not wait for answers; latency is
    measured from the time when the request was due.  Loads a lab's Dovecot, this machine's, or with
    --i-own-this-server any other.  --attack finds how many wrong passwords a second users do not notice.
    """
