"""What ``diagnose`` does; its options are in ``diagnose.py``."""

import sys
from dataclasses import replace

import click

from mailauth.cli.diagnose import DiagnoseOptions
from mailauth.cli.shared.given import again, unused_without_password
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


def diagnose(asked: DiagnoseOptions) -> None:
    if not asked.user:
        raise UsageError(
            "name the user: mailauth diagnose USER.  The whole server: mailauth checkup."
            "  Who fails: mailauth log."
        )
    source, case = asked.password, asked.case
    password = read_password(
        ask=source.ask_password, descriptor=source.password_fd, stdin=source.password_stdin
    )
    if password is None:
        unused_without_password(DiagnoseOptions)
    target = target_of(
        asked.user,
        chosen(asked.config, asked.pid),
        password,
        login=asked.login,
        service=case.service,
        address=case.address,
        host=case.host,
        mechanism=case.mechanism,
        variants=asked.variants,
        allowance=_allowance(asked.max_memory, asked.max_seconds),
    )
    target = replace(target, binds=password is not None, asks_pam=asked.ask_pam, asks_lua=asked.ask_lua)
    with patience(f"looking at {visible(asked.user)}"):
        looked = look(target)
    diagnosis = replace(looked.diagnosis, again=again())
    proof: tuple[ProofStep, ...] = ()
    if asked.prove:
        from mailauth.lab.prove import prove as prove_in_lab  # noqa: PLC0415 - only with --prove

        with patience("proving it in a lab"):
            proof = prove_in_lab(looked, password)
    version = looked.config.version
    if asked.as_json:
        click.echo(json.to_json(json.report(diagnosis, str(version), proof)))
    else:
        click.echo(text.diagnosis_text(diagnosis, version.dialect, proof, width()), nl=False)
    sys.exit(exit_status(diagnosis))


def _allowance(memory: str | None, seconds: float | None) -> Allowance:
    """What tries of hashes may take.  Raises UsageError."""
    size = LIMITS.memory if memory is None else parse_size(memory)
    most = LIMITS.seconds if seconds is None else seconds
    return Allowance(Limits(size, most), 3 * most, " (--max-memory and --max-seconds raise it)")
