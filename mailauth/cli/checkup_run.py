"""What ``checkup`` does; its options are in ``checkup.py``."""

import sys
from dataclasses import replace

import click

from mailauth.cli.shared.given import again
from mailauth.cli.shared.output import exit_status, width
from mailauth.cli.shared.progress import counting
from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import chosen
from mailauth.dovecot.version import Version
from mailauth.render import json, text


def checkup(
    config: str | None, pid: int | None, as_if: str | None, rows_query: str | None, as_json: bool
) -> None:
    dovecot = chosen(config, pid)
    version = Version.known(as_if) if as_if is not None else None
    with counting() as progress:
        looked = look_at_all(Checkup(dovecot, version, rows_query, progress=progress))
    judged = looked.config.version
    diagnosis = replace(looked.diagnosis, again=again())
    if as_json:
        click.echo(json.to_json(json.report(diagnosis, str(judged))))
    else:
        if version is not None:
            click.echo(f"As if this were Dovecot {judged}:\n")
        told = text.diagnosis_text(diagnosis, judged.dialect, width=width(), fixable=version is None)
        click.echo(told, nl=False)
    sys.exit(exit_status(diagnosis))
