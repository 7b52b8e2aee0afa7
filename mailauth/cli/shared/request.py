"""A command's options as the fields of one record: a name, a type, a default and a help text in one place.

The command is declared with the record (``asking``), and the function that runs it is given one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, field, fields
from typing import Any

import click

from mailauth.cli.shared.command import Command

_OPTION, _GROUP, _PASSWORD = "option", "group", "needs_password"
Declare = Callable[[Callable[..., Any]], Callable[..., Any]]


def option(*names: str, needs_password: bool = False, **how: Any) -> Any:
    """A field that is an option, as Click has it.  ``needs_password``: it is refused where none is given."""
    return field(
        metadata={_OPTION: lambda name: click.option(*names, name, **how), _PASSWORD: needs_password}
    )


def argument(**how: Any) -> Any:
    """A field that is an argument, as Click has it."""
    return field(metadata={_OPTION: lambda name: click.argument(name, **how)})


def shared(declared: Declare) -> Any:
    """A field that an option of several commands gives, which has the field's name."""
    return field(metadata={_OPTION: lambda _name: declared})


def group(record: type) -> Any:
    """A field that is a record of several options."""
    return field(metadata={_GROUP: record})


def declared(record: type) -> Iterator[Field[Any]]:
    """The fields that are options or arguments, those of groups among them."""
    for one in fields(record):
        inner = one.metadata.get(_GROUP)
        yield from declared(inner) if inner else (one,)


def needing_password(record: type) -> frozenset[str]:
    """The names of those that are of no use without the user's password."""
    return frozenset(one.name for one in declared(record) if one.metadata.get(_PASSWORD))


def options_of(record: type) -> Declare:
    """The record's options, for a function that takes them one by one."""

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        for one in reversed(list(declared(record))):
            command = one.metadata[_OPTION](one.name)(command)
        return command

    return declare


def made(record: type, given: Mapping[str, Any]) -> Any:
    """The record of what Click has read."""
    groups = {one.name: one.metadata.get(_GROUP) for one in fields(record)}
    return record(**{name: made(of, given) if of else given[name] for name, of in groups.items()})


class AskingCommand(Command):
    """Gives the function that does the work one record in the place of its options."""

    def __init__(self, *words: Any, record: type, **named: Any) -> None:
        super().__init__(*words, **named)
        self.record = record

    def given(self, ctx: click.Context) -> dict[str, Any]:
        return {"asked": made(self.record, ctx.params)}


def asking(record: type) -> Callable[[Callable[..., Any]], Command]:
    """The command whose options are the record's fields."""
    return lambda asked: click.command(cls=AskingCommand, record=record)(options_of(record)(asked))
