"""``mailauth hash new``."""

import click

from mailauth.cli.hash_options import (
    EXITS,
    for_option,
    idle_option,
    jobs_option,
    json_option,
    limit_option,
    password_options,
    user_option,
    weak_option,
)
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.completing import schemes


@click.command(cls=Command, epilog=EXITS)
@click.option(
    "-s",
    "--scheme",
    default="ARGON2ID",
    show_default=True,
    help="Password scheme; .hex, .b64 or .base64 after it sets the encoding.",
    metavar="SCHEME",
    shell_complete=schemes,
)
@click.option(
    "--profile",
    metavar="NAME",
    help="Argon2 parameters by name (owasp, rfc9106-second, moderate ...); --profile list shows all.",
)
@click.option(
    "--fit",
    is_flag=True,
    help="Use the strongest Argon2 that fits under --vsz-limit, or under this machine's Dovecot's limit.",
)
@click.option("--memory", metavar="SIZE", help="Argon2 memory: a size such as 64M, or a number of KiB.")
@click.option("--time", type=int, metavar="N", help="Argon2 passes.")
@click.option("--lanes", type=int, metavar="N", help="Argon2 lanes (threads).")
@click.option("--cost", type=int, metavar="N", help="bcrypt cost, 4 to 31 (2^N rounds).")
@click.option("--rounds", type=int, metavar="N", help="Rounds of PBKDF2, SCRAM, SHA-crypt or OTP.")
@click.option(
    "--kind",
    metavar="PREFIX",
    help="With scheme CRYPT: make this kind of hash ($y$, $6$, ...) instead of bcrypt.",
)
@password_options
@user_option
@for_option
@weak_option
@limit_option
@idle_option
@click.option(
    "--csv", "csv_file", metavar="FILE|-", help="Read CSV user,password; write CSV user,stored,error."
)
@json_option
@jobs_option
def new() -> None:
    """Make a new hash by today's recommendations.

    Asks for the password twice.  Refuses to make what the target Dovecot could not verify: a scheme that
    it lacks or refuses (--for), or a hash that needs more memory than --vsz-limit leaves (256M if not given;
    "unlimited" turns this off).
    """
