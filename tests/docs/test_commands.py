"""Each command that a document, a rule or a help text prints exists as printed, with its options."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mailauth.cli.commands import modern
from mailauth.cli.main import cli
from mailauth.cli.manual import contexts
from mailauth.rules import RULES
from tests.cli.running import ROOT

# In a block of its own, or in backticks; up to what a shell or a sentence has after it.
_LINE = re.compile(r"^ {4,}(?:sudo |MAILAUTH_\S+ )*mailauth (.+)$", re.MULTILINE)
_INLINE = re.compile(r"`(?:sudo )?mailauth ([^`]+)`")
_END = re.compile(r"\s*(?:\s#|[|<>;&]\s|&&|\s\.\.\.|\s{3,}|\s-- ).*", re.DOTALL)
_PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if page.name not in {"CHANGELOG.md", "rules.md"}  # what there was; the rules are looked at themselves
)


def printed(text: str) -> Iterator[list[str]]:
    """The words after mailauth, of each command in it; ``plan|apply`` is two commands."""
    for found in (*_LINE.findall(text), *_INLINE.findall(text)):
        words = _END.sub("", " ".join(found.split()) if "\n" in found else found).split()
        names = [word.split("|") if re.fullmatch(r"[a-z|-]+", word) else [word] for word in words[:2]]
        for first in names[0] if names else []:
            for second in names[1] if len(names) > 1 else [""]:
                yield [first, *([second] if second else []), *words[2:]]


def lacking(words: list[str]) -> str:
    """What of it is not there, or ""."""
    command: click.Command = cli
    rest, _ = modern(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        below = command.get_command(click.Context(command), rest[0])
        if below is None:
            return "" if re.search(r"[A-Z.{]", rest[0]) else f"no command {rest[0]}"
        command, rest = below, rest[1:]
    known = {"-h", "--help", "--version"}
    known |= {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    options = (re.match(r"--?[A-Za-z][\w-]*", word.lstrip("[")) for word in rest)
    return ", ".join(one[0] for one in options if one and one[0] not in known)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_documents(page: Path) -> None:
    wrong = [(words, why) for words in printed(page.read_text()) if (why := lacking(words))]
    assert wrong == []


def test_rules_and_help() -> None:
    texts = {rule.code: rule.explanation for rule in RULES}
    texts |= {ctx.command_path: ctx.command.help or "" for ctx in contexts()}
    commands = {
        name: re.findall(r"\bmailauth ((?:[a-z-]+ )?[a-z-]+(?: --?[a-z][\w-]*)*)", text)
        for name, text in texts.items()
    }
    known = set(cli.list_commands(click.Context(cli)))
    wrong = [
        (name, one)
        for name, found in commands.items()
        for one in found
        if one.split()[0] in known and "-" in one and lacking(one.split())
    ]
    assert wrong == []


def test_what_is_lacking_is_seen() -> None:
    text = "    sudo mailauth diagnose USER --nothing  # why\n\nor `mailauth migrate plan|aply --trim`\n"
    assert [lacking(words) for words in printed(text)] == ["--nothing", "", "no command aply"]
