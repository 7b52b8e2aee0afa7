"""The options that were typed: each is used, or refused; and those that find the same case again."""

from collections.abc import Iterator, Mapping

import click
from click.core import ParameterSource

from mailauth.cli.shared.request import needing_password
from mailauth.errors import UsageError

# With these the same case is found again, by another command; a password is asked for.
_OF_THE_CASE = ("config", "pid", "service", "address", "host", "mechanism", "login")
CONTAINER = "mailauth.container"  # in a context's meta: the name
_PASSWORDS = frozenset({"ask_password", "password_fd", "password_stdin"})


def only(mode: str, used: frozenset[str]) -> None:
    """Refuse what was typed and ``mode`` makes no use of.  Raises UsageError."""
    for parameter in _typed():
        if parameter.name not in used:
            what = "USER" if isinstance(parameter, click.Argument) else parameter.opts[-1]
            raise UsageError(f"{mode} makes no use of {what}: leave it out.")


def without(mode: str, *names: str) -> None:
    """Refuse those of these that were typed: ``mode`` makes no use of them.  Raises UsageError."""
    for parameter in _typed():
        if parameter.name in names:
            what = parameter.name.upper() if isinstance(parameter, click.Argument) else parameter.opts[-1]
            raise UsageError(f"{mode} makes no use of {what}: leave it out.")


def unused_without_password(record: type) -> None:
    """Refuse what was typed and needs the user's password, where none is given.  Raises UsageError."""
    for parameter in _typed():
        if parameter.name in needing_password(record):
            raise UsageError(
                f"{parameter.opts[-1]} needs the password: add -p, --password-fd or --password-stdin."
            )


def again() -> tuple[str, ...]:
    """The options of this command with which another finds the same case.  Holds no secret."""
    context = click.get_current_context()
    words: list[str] = []
    for parameter in _typed():
        value = context.params.get(parameter.name or "")
        if parameter.name in _OF_THE_CASE:
            words += [parameter.opts[-1]] + ([] if value is True else [str(value)])
        elif parameter.name in _PASSWORDS and "-p" not in words:
            words.append("-p")
    return (*_container(), *words)


def words(*but: str) -> tuple[str, ...]:
    """Every option that was typed, but these: what another command is given to do the same.

    A URL that holds a password is not shown: a word holds its place.
    """
    found: list[str] = [*_container()]
    params = click.get_current_context().params
    for one in _typed():
        name = one.name or ""
        value = params[name]
        if name in but or isinstance(one, click.Argument):
            continue
        for each in value if isinstance(value, tuple) else (value,):
            found += _as_typed(one.opts[-1], name, each)
    return tuple(found)


def those(options: Mapping[str, str]) -> tuple[str, ...]:
    """Of the options that were typed these, each by the name that another command has for it."""
    context = click.get_current_context()
    typed = {one.name for one in _typed()}
    found = list(_container()) if "pid" in options else []
    for name, option in options.items():
        if name in typed:
            found += _as_typed(option, name, context.params[name])
    return tuple(found)


def _as_typed(option: str, name: str, value: object) -> list[str]:
    if value is True:
        return [option]
    if name in ("url", "to"):
        from mailauth.stores.url import has_password  # noqa: PLC0415 - only where a URL is given

        return [option, "URL" if has_password(str(value)) else str(value)]
    return [option, str(value)]


def _container() -> tuple[str, ...]:
    """--container as it was typed; its command is given the process, and no name."""
    name = click.get_current_context().meta.get(CONTAINER)
    return ("--container", name) if name else ()


def _typed() -> Iterator[click.Parameter]:
    context = click.get_current_context()
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is ParameterSource.COMMANDLINE and context.params.get(parameter.name or "") is not None:
            yield parameter
