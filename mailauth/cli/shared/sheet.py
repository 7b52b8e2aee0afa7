"""A CSV on standard output."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import click

from mailauth.cells import Sheet


@contextmanager
def csv_printed(names: Iterable[str]) -> Iterator[Callable[[Iterable[Iterable[str]]], None]]:
    """A function that prints rows below ``names``; says at the end where a cell got an apostrophe."""
    out = Sheet(sys.stdout)
    out.write(names)

    def write(rows: Iterable[Iterable[str]]) -> None:
        for row in rows:
            out.write(row)

    yield write
    if out.defused:
        cells = "1 cell begins" if out.defused == 1 else f"{out.defused} cells begin"
        click.echo(
            f"mailauth: {cells} as a formula of a spreadsheet does (= + - @) and got an apostrophe (') before"
            " it; remove that where another program reads the list.",
            err=True,
        )
