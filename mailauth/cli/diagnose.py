"""``mailauth diagnose USER``."""

import click

from mailauth.cli.shared.case import case_options
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, password_options, pid_option
from mailauth.cli.shared.values import sayable


@click.command(cls=Command)
@click.argument("user", required=False, callback=sayable)
@config_option
@pid_option
@password_options
@click.option("--login", is_flag=True, help="Also make two real logins; they appear in the log.")
@click.option(
    "--ask-pam", is_flag=True, help="Also ask PAM about the password: one attempt, which pam_faillock counts."
)
@click.option(
    "--prove", is_flag=True, help="Reproduce the finding in a lab: it fails, the remedy is applied, it works."
)
@case_options
@click.option(
    "--variants",
    type=click.FloatRange(0, 600),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="Time to try near variants of a wrong password; 0 tries none.",
)
@click.option("--max-memory", metavar="SIZE", help="Do not compute a hash that needs more memory.  [1280M]")
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Do not compute a hash for longer; three times this for all together.  [20]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/diagnosis.json).")
def diagnose() -> None:
    """Find out why USER cannot log in, and prove it.

    Reads Dovecot's configuration, looks the user up in the real store, and tries the stored hash in
    a child process with exactly the room that the verifying process has.  Changes nothing.

    The password is optional; whether the memory suffices is answered without it.  Where an LDAP server
    verifies it, one bind is made with it, which counts as one attempt where attempts lock an account.
    PAM is asked about the password with --ask-pam only: as Dovecot's worker asks it, once.

    \b
    Exit status:  0 nothing found, all decided    1 found
                  2 wrong usage or configuration  3 nothing found, something undecided
                  70 a bug in mailauth
    """
