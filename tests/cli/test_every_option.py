"""No option is ignored: in each mode of each command it is used, or refused in one sentence.

The options are those of the click tree itself, so that a new one without a word in ``every_option.py`` fails;
where they are a record's fields (cli/shared/request.py), the record says it.
No Dovecot is reached: what a mode makes no use of is refused before anything is looked at.
"""

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from mailauth.cli.main import cli
from mailauth.cli.shared.request import AskingCommand, needing_password
from mailauth.errors import UsageError
from tests.cli.every_option import ROWS, WITHOUT_PASSWORD, Row

_VALUES = {"--profile": "owasp"}


def _commands(command: click.Command = cli, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    if command.params:
        yield name, command
    context = click.Context(command)
    for each in command.list_commands(context):
        below = command.get_command(context, each)
        assert below
        yield from _commands(below, f"{name} {each}".strip())


COMMANDS = dict(_commands())


def _row(name: str, command: AskingCommand) -> Row:
    """What the record's own fields say."""
    needing = needing_password(command.record)
    options = {opt: one.name in needing for opt, one in _options(command).items()}
    return Row(
        " ".join(opt for opt, refused in options.items() if not refused),
        {WITHOUT_PASSWORD[name]: " ".join(opt for opt, refused in options.items() if refused)},
    )


def _options(command: click.Command) -> dict[str, click.Option]:
    return {one.opts[-1]: one for one in command.params if isinstance(one, click.Option)}


ALL = ROWS | {name: _row(name, one) for name, one in COMMANDS.items() if isinstance(one, AskingCommand)}


def _names(words: str) -> set[str]:
    return {word.partition("=")[0] for word in words.split()}


def test_every_option_of_every_command_has_its_word() -> None:
    assert ALL.keys() == COMMANDS.keys()
    for name, command in COMMANDS.items():
        row = ALL[name]
        said = _names(" ".join((row.used, *row.refused.values())))
        assert said == _options(command).keys(), f"mailauth {name}: options that ROWS lacks, or has too many"


@pytest.mark.parametrize("name", [name for name, row in ALL.items() if row.refused])
def test_what_a_mode_makes_no_use_of_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for mode, refused in ALL[name].refused.items():
        for word in refused.split():
            words = [*name.split(), *shlex.split(mode), *_typed(name, word)]
            said = _refusal(words, capsys)
            option = word.partition("=")[0]
            if (option not in said and not _other(said, option)) or not said.endswith(".") or "\n" in said:
                wrong.append(f"{shlex.join(words)}: {said!r}")
    assert wrong == [], "\n".join(wrong)


def _other(said: str, option: str) -> bool:
    """One of several that say the same is named in its place: they are refused together."""
    words = {"--config": "-c"} | dict.fromkeys(("--ask-password", "--password-fd", "--password-stdin"), "-p")
    return bool(re.search(rf"(?<![\w-]){re.escape(words.get(option, option))}\b", said))


def _typed(name: str, word: str) -> list[str]:
    """The option with a value of its kind."""
    option, given, value = word.partition("=")
    one = _options(COMMANDS[name])[option]
    if one.is_flag:
        return [option]
    return [option, *([value] if given else [_VALUES.get(option, "9")] * one.nargs)]


def _refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    try:
        cli.main(words, prog_name="mailauth", standalone_mode=False)
    except (UsageError, click.UsageError) as why:
        return str(why)
    except Exception as other:  # noqa: BLE001 - whatever came of it, it is no refusal
        return f"{type(other).__name__}: {other}"
    return capsys.readouterr().out.strip().removeprefix("MAILAUTH UNKNOWN - ")
