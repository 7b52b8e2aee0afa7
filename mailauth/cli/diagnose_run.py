"""What ``diagnose`` does; its options are in ``diagnose.py``."""

import sys
from dataclasses import replace

import click

from mailauth.cli.shared.given import again, without
from mailauth.cli.shared.output import exit_status, width
from mailauth.cli.shared.patience import patience
from mailauth.cli.shared.secrets import read_password
from mailauth.cli.shared.target import target_of
from mailauth.diagnosing import look
from mailauth.dovecot.doveadm import chosen
from mailauth.dovecot.sizes import parse_size
from mailauth.errors import UsageError
from mailauth.finding import ProofStep
from mailauth.hashes import LIMITS, Limits
from mailauth.hashes.allowance import Allowance
from mailauth.render import json, text
from mailauth.visible import visible


def diagnose(
    user: str | None,
    config: str | None,
    pid: int | None,
    ask_password: bool,
    password_fd: int | None,
    password_stdin: bool,
    login: bool,
    ask_pam: bool,
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
    if not user:
        raise UsageError(
            "name the user: mailauth diagnose USER.  The whole server: mailauth checkup."
            "  Who fails: mailauth log."
        )
    password = read_password(ask=ask_password, descriptor=password_fd, stdin=password_stdin)
    if login and password is None:
        raise UsageError("--login needs the password: add -p, --password-fd or --password-stdin.")
    if ask_pam and password is None:
        raise UsageError("--ask-pam needs the password: add -p, --password-fd or --password-stdin.")
    if password is None:
        without("diagnose without a password", "variants")
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
    target = replace(target, binds=password is not None, asks_pam=ask_pam)
    with patience(f"looking at {visible(user)}"):
        looked = look(target)
    diagnosis = replace(looked.diagnosis, again=again())
    proof: tuple[ProofStep, ...] = ()
    if prove:
        from mailauth.lab.prove import prove as prove_in_lab  # noqa: PLC0415 - only with --prove

        with patience("proving it in a lab"):
            proof = prove_in_lab(looked, password)
    version = looked.config.version
    if as_json:
        click.echo(json.to_json(json.report(diagnosis, str(version), proof)))
    else:
        click.echo(text.diagnosis_text(diagnosis, version.dialect, proof, width()), nl=False)
    sys.exit(exit_status(diagnosis))


def _allowance(memory: str | None, seconds: float | None) -> Allowance:
    """What tries of hashes may take.  Raises UsageError."""
    size = LIMITS.memory if memory is None else parse_size(memory)
    most = LIMITS.seconds if seconds is None else seconds
    return Allowance(Limits(size, most), 3 * most, " (--max-memory and --max-seconds raise it)")
