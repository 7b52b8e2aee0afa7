"""``mailauth diagnose USER``."""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mailauth.cli.shared.case import case_options, target_of
from mailauth.cli.shared.given import again, without
from mailauth.cli.shared.options import config_option, password_options, pid_option
from mailauth.cli.shared.output import exit_status, width
from mailauth.cli.shared.patience import patience
from mailauth.cli.shared.secrets import read_password
from mailauth.cli.shared.values import sayable
from mailauth.errors import UsageError
from mailauth.visible import visible

if TYPE_CHECKING:
    from mailauth.finding import ProofStep
    from mailauth.hashes.allowance import Allowance


@click.command()
@click.argument("user", required=False, callback=sayable)
@config_option
@pid_option
@password_options
@click.option("--login", is_flag=True, help="Also make two real logins; they appear in the log.")
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
def diagnose(
    user: str | None,
    config: str | None,
    pid: int | None,
    ask_password: bool,
    password_fd: int | None,
    password_stdin: bool,
    login: bool,
    prove: bool,
    service: str,
    address: str,
    host: str,
    mechanism: str,
    variants: float,
    max_memory: str | None,
    max_seconds: float | None,
    as_json: bool,
) -> None:
    """Find out why USER cannot log in, and prove it.

    Reads Dovecot's configuration, looks the user up in the real store, and tries the stored hash in
    a child process with exactly the room that the verifying process has.  Changes nothing.

    The password is optional; whether the memory suffices is answered without it.

    \b
    Exit status:  0 nothing found, all decided    1 found
                  2 wrong usage or configuration  3 nothing found, something undecided
                  70 a bug in mailauth
    """
    from mailauth.diagnose import look  # noqa: PLC0415 - --help needs none of it
    from mailauth.dovecot.doveadm import chosen  # noqa: PLC0415
    from mailauth.render import text  # noqa: PLC0415

    if not user:
        raise UsageError(
            "name the user: mailauth diagnose USER.  The whole server: mailauth checkup."
            "  Who fails: mailauth log."
        )
    password = read_password(ask=ask_password, descriptor=password_fd, stdin=password_stdin)
    if login and password is None:
        raise UsageError("--login needs the password: add -p, --password-fd or --password-stdin.")
    if password is None:
        without("variants", "diagnose without a password")
    target = target_of(
        user,
        chosen(config, pid),
        password,
        login=login,
        service=service,
        address=address,
        host=host,
        mechanism=mechanism,
        variants=variants,
        allowance=_allowance(max_memory, max_seconds),
    )
    with patience(f"looking at {visible(user)}"):
        looked = look(target)
    diagnosis = replace(looked.diagnosis, again=again())
    proof: tuple[ProofStep, ...] = ()
    if prove:
        from mailauth.lab.prove import prove as prove_in_lab  # noqa: PLC0415

        with patience("proving it in a lab"):
            proof = prove_in_lab(looked, password)
    version = looked.config.version
    if as_json:
        from mailauth.render import json  # noqa: PLC0415

        click.echo(json.to_json(json.report(diagnosis, str(version), proof)))
    else:
        click.echo(text.diagnosis_text(diagnosis, version.dialect, proof, width()), nl=False)
    sys.exit(exit_status(diagnosis))


def _allowance(memory: str | None, seconds: float | None) -> "Allowance":
    """What tries of hashes may take.  Raises UsageError."""
    from mailauth.dovecot.sizes import parse_size  # noqa: PLC0415 - --help needs none of it
    from mailauth.hashes import LIMITS, Limits  # noqa: PLC0415
    from mailauth.hashes.allowance import Allowance  # noqa: PLC0415

    size = LIMITS.memory if memory is None else parse_size(memory)
    most = LIMITS.seconds if seconds is None else seconds
    return Allowance(Limits(size, most), 3 * most, " (--max-memory and --max-seconds raise it)")
