"""What ``checkup`` does; its options are in ``checkup.py``."""

import sys
from contextlib import suppress
from dataclasses import replace

import click

from mailauth.cli.shared.given import again
from mailauth.cli.shared.output import exit_status, width
from mailauth.cli.shared.progress import counting
from mailauth.diagnose_all import Checkup, look_at_all
from mailauth.dovecot.doveadm import chosen
from mailauth.dovecot.version import Version
from mailauth.errors import CannotObserve
from mailauth.evidence import StoreMemory
from mailauth.finding import Diagnosis
from mailauth.memory.huge_pages import huge_pages
from mailauth.render import json, text
from mailauth.render.huge_pages import huge_pages_line


def checkup(
    config: str | None, pid: int | None, as_if: str | None, rows_query: str | None, as_json: bool
) -> None:
    dovecot = chosen(config, pid)
    version = Version.known(as_if) if as_if is not None else None
    with counting() as progress:
        looked = look_at_all(Checkup(dovecot, version, rows_query, progress=progress))
    judged = looked.config.version
    diagnosis = replace(looked.diagnosis, again=again())
    notes = _notes(diagnosis) if version is None else ()
    if as_json:
        click.echo(json.to_json(json.report(diagnosis, str(judged), notes=notes)))
    else:
        if version is not None:
            click.echo(f"As if this were Dovecot {judged}:\n")
        fixable = version is None
        told = text.diagnosis_text(diagnosis, judged.dialect, width=width(), fixable=fixable, notes=notes)
        click.echo(told, nl=False)
    sys.exit(exit_status(diagnosis))


def _notes(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Where a store has Argon2, and its memory gets no huge pages: what would say what they gain."""
    if not any(isinstance(fact, StoreMemory) and fact.has_argon2 for fact in diagnosis.evidence):
        return ()
    with suppress(CannotObserve):  # a kernel without them, or a container that hides them
        if not (pages := huge_pages()).given:
            return (huge_pages_line(pages),)
    return ()
