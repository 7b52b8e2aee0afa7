"""What ``hash_convert`` does; its options are in ``hash_convert.py``."""

import json
import sys

import click

from mailauth.cli.hash_run import of_a_batch, one_string, run_batch
from mailauth.cli.shared.files import opened
from mailauth.cli.shared.given import only, without
from mailauth.cli.shared.progress import stepping
from mailauth.cli.shared.secrets import read_password
from mailauth.cli.shared.sheet import csv_printed
from mailauth.errors import UsageError
from mailauth.hashes import batch as batching
from mailauth.hashes import stored_rows
from mailauth.hashes.passport_targets import TARGETS, destination


def convert(
    stored: str | None,
    stored_fd: int | None,
    batch: str | None,
    ask_password: bool,
    password_fd: int | None,
    stdin: bool,
    to: str | None,
    origin: str | None,
    csv_file: str | None,
    user: str,
    default_scheme: str | None,
    dovecot: tuple[int, ...] | None,
    as_json: bool,
    jobs: int | None,
) -> None:
    if to == "list":
        only("hash convert --to list", frozenset({"to"}))
        _list()
        return
    if to is not None:
        destination(to)
        if origin is not None or dovecot is not None:
            raise UsageError("--to takes Dovecot's strings: --from and --for say nothing of those.")
    settings = batching.Settings(
        "convert", default_scheme=default_scheme, dovecot=dovecot, origin=origin, to=to
    )
    if csv_file is not None:
        if stored is not None or stored_fd is not None or batch is not None:
            raise UsageError(
                "give strings in one way only: as an argument, with --stored-fd, --batch or --csv."
            )
        without("hash convert --csv", "ask_password", "password_fd", "stdin", "user", "as_json")
        _rows(csv_file, settings, jobs)
        return
    if of_a_batch(batch) and batch is not None:
        run_batch(batch, settings, jobs)
        return
    text = one_string(stored, stored_fd, password_from_stdin=stdin)
    password = read_password(ask=ask_password, descriptor=password_fd, stdin=stdin)
    record = batching.converted(text, password, user, settings)
    made = record["dovecot"] if to is None else record["stored"]
    if as_json:
        click.echo(json.dumps(record))
    elif made is None:
        click.echo(f"{record['source']}: cannot, because {record['reason']}", err=True)
    else:
        click.echo(made)
        if record["reason"]:
            click.echo(f"{record['source']}: {record['reason']}", err=True)
    sys.exit(0 if made is not None else 1)


def _list() -> None:
    for name, one in TARGETS.items():
        click.echo(f"{name:<12} {one.about}")


def _rows(name: str, settings: batching.Settings, jobs: int | None) -> None:
    progress = stepping(None, "converting", rows_on_stdout=True)
    with opened(name) as binary, csv_printed(stored_rows.COLUMNS) as write, progress as step:
        tasks = stored_rows.tasks(stored_rows.read(binary))
        work = stored_rows.Converter(settings)
        for answers in batching.in_order(work, tasks, jobs=jobs or batching.cores(), lost=work.lost):
            write(answers)
            step(more=len(answers))
