"""``mailauth fix CODE [USER]``."""

import click

from mailauth.cli.shared.case import case_options
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.completing import codes, kept
from mailauth.cli.shared.options import config_option, password_options, pid_option
from mailauth.cli.shared.values import sayable


@click.command(cls=Command)
@click.argument("code", required=False, shell_complete=codes)
@click.argument("user", required=False, callback=sayable)
@click.option(
    "--apply",
    "do_it",
    is_flag=True,
    help="Apply it: write, check, reload, test; roll back if one of them fails.",
)
@click.option(
    "--undo",
    metavar="ID",
    shell_complete=kept("fix"),
    help="Roll back the applied, or interrupted, fix with this ID.",
)
@config_option
@pid_option
@password_options
@click.option(
    "--login", is_flag=True, help="Also make real logins first, for findings that only a login shows."
)
@case_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON (mailauth/schemas/fix.json).")
def fix() -> None:
    """Print the remedy of a finding as a patch for this server, or apply it.

    Looks again, as mailauth diagnose does (without USER: as mailauth checkup), and prints what would change:
    files as a unified diff, the commands, the entry in the store.  Changes nothing without --apply.

    With --apply each step is checked: doveconf must accept the files, Dovecot must run again after its
    reload, the finding must be gone, and the login must work if you give the password.  If a step fails,
    or if you interrupt it, everything is put back as it was.  --undo takes an applied fix back later.

    Where the remedy sets the password again, the one that you give becomes the new one.

    \b
    Exit status:  0 printed, applied, or taken back  1 refused, or failed and rolled back
                  2 wrong usage, or not found now    3 could not be looked at
                  130 interrupted, and rolled back   70 a bug in mailauth
    """
