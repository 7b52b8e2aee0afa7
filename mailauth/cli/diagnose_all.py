"""``mailauth diagnose --all``: the server and every row of its stores, without a user."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from mailauth.cli.given import only
from mailauth.errors import UsageError


def all_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of --all; with it, ``command`` itself is not called."""

    @click.option("--all", "all_", is_flag=True, help="Without USER: the server and all rows of its stores.")
    @click.option("--as-if", metavar="VERSION", help="With --all: what this Dovecot would make of it all.")
    @click.option("--rows-query", metavar="SQL", help="With --all: a SELECT of all passwords.")
    @functools.wraps(command)
    def wrapper(*args: Any, all_: bool, as_if: str | None, rows_query: str | None, **named: Any) -> None:
        if all_:
            _check(named, as_if, rows_query)
        elif as_if is not None or rows_query is not None:
            raise UsageError("--as-if and --rows-query go with --all: mailauth diagnose --all.")
        else:
            command(*args, **named)

    return wrapper


_USED = frozenset({"all_", "as_if", "rows_query", "config", "pid", "as_json"})


def _check(named: dict[str, Any], as_if: str | None, rows_query: str | None) -> None:
    from mailauth.cli.diagnose import exit_status  # noqa: PLC0415 - which imports this module
    from mailauth.diagnose_all import Checkup, look_at_all  # noqa: PLC0415 - --help needs none of it
    from mailauth.dovecot.doveadm import chosen  # noqa: PLC0415
    from mailauth.dovecot.version import Version  # noqa: PLC0415
    from mailauth.render import json, text  # noqa: PLC0415

    only("diagnose --all", _USED)
    dovecot = chosen(named["config"], named["pid"])
    version = Version.parse(as_if) if as_if is not None else None
    with counting() as progress:
        looked = look_at_all(Checkup(dovecot, version, rows_query, progress=progress))
    judged = looked.config.version
    if named["as_json"]:
        click.echo(json.to_json(json.report(looked.diagnosis, str(judged))))
    else:
        if version is not None:
            click.echo(f"As if this were Dovecot {judged}:\n")
        told = text.diagnosis_text(looked.diagnosis, judged.dialect, width=width(), fixable=version is None)
        click.echo(told, nl=False)
    sys.exit(exit_status(looked.diagnosis))


def width() -> int:
    """As wide as the terminal, at most 100; a file or a pipe gets 100."""
    from shutil import get_terminal_size  # noqa: PLC0415 - --help needs none of it

    return min(get_terminal_size((100, 24)).columns, 100) if sys.stdout.isatty() else 100


@contextmanager
def counting() -> Iterator[Callable[[int], None] | None]:
    """How many rows were read so far, on a terminal; on standard error, so that --json stays JSON."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - 0.1 s that only a terminal pays
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    console = Console(file=sys.__stderr__)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading the stores", total=None)
        yield lambda rows: bar.update(task, description=f"reading the stores: {rows:,} rows")
