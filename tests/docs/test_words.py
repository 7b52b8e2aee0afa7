"""The words that an administrator reads: none that we do not use; options say unit and default."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mailauth.cli.commands import help_text
from mailauth.cli.manual import contexts
from mailauth.rules import RULES
from tests.cli.running import ROOT

# What we do not write, and what to write instead.
UNUSED = {
    r"is told|are told|was told|be told|nobody is told": "is reported, gets, is set to",
    r"befell|befalls?|befallen": "happened to, was damaged",
    r"comes? about": "works, happens",
    r"of no (?:account|use to)": "is ignored, does not help",
    r"(?:[Hh]e|[Hh]is|[Hh]im|[Hh]imself)": "the user, they",
    r"(?:is|are) of (?:a|an|the|another|no|this|that|its|all|somebody|nobody)": "belongs to, has, comes from",
    r"the other's word": "the other's value",
    r"in vain": "times out",
    r"\banew": "again, re-",
    r"is good for": "is valid for, is used for",
    r"not come to": "happen",
    r"harms nobody|nobody's business": "does no harm",
    r"goes away by itself": "ends by itself",
    r"perchance|whence|thereof|hereby|lest|save for|withal": "plain words",
    r"[Nn]or longer|[Aa]gain and again: |[Oo]nly so;": "a sentence with a verb",
    r"[Ii]s it well": "Monitoring checks",
    r"all the same\b(?! \w+s\b)": "still, nevertheless",
    r"but for (?:a|the|this|its|what|one|two|those|blanks|capitals|escapes)": "except for",
    r"for want of": "for lack of",
    r"(?:its|their) like": "and similar",
    r"(?:gets?|got) in(?! touch)": "can log in, works",
    r"letter for letter": "exactly",
    r"to speak of": "a clear amount",
    r"(?:is|are|was|were) away": "does not answer, is down",
    r"(?<!-)[Mm]end(?:s|ed|ing)?(?= [a-z{])(?! the stored string\")": "repair, fix, correct",
    r"whom there is not": "who does not exist",
    r"(?<=[.;] )[Ww]ho (?:is|has|wants|may|can|cannot|loses|needs|knows|takes|asks)": "a user who, whoever",
    r"[Tt]akes? (?:it|them|[a-z]+ [a-z]+) away": "remove",
}
_UNUSED = re.compile(rf"\b({'|'.join(UNUSED)})\b")
_NUMBERS = (click.types.IntParamType, click.types.FloatParamType)  # their ranges, too
_BEGINS = {
    tokenize.ENCODING,
    tokenize.NEWLINE,
    tokenize.NL,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.COMMENT,
}
_UNITS = {"SECONDS": "second|[Tt]ime|SECONDS", "MS": r"\bms\b", "PERCENT": "percent", "RATE": "second"}
_PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    # What these are made of is looked at itself; the changelog says what there was.
    if page.name not in {"rules.md", "confusion-matrix.md", "CHANGELOG.md", "field-cases.md"}
)


def unused(text: str) -> list[str]:
    """The words in it that we do not use, each with some words around it, and what to write instead."""
    return [
        f"{text[max(0, m.start() - 40) : m.end() + 20].strip()!r}: {m[0]!r}; write instead: {_instead(m)}"
        for m in _UNUSED.finditer(text)
    ]


def _instead(found: re.Match[str]) -> str:
    """By where it was found, since some forms look at what stands around."""
    return next(
        better
        for form, better in UNUSED.items()
        if re.compile(rf"\b(?:{form})\b").match(found.string, found.start())
    )


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_documents(page: Path) -> None:
    assert unused(page.read_text()) == []


def test_rules() -> None:
    found = {rule.code: unused(f"{rule.title}. {rule.explanation}") for rule in RULES}
    assert {code: words for code, words in found.items() if words} == {}


def test_messages() -> None:
    """Every string that may be printed; the commands' and rules' docstrings are looked at elsewhere."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {words}"
        for path in sorted((ROOT / "mailauth").rglob("*.py"))
        for line, text in strings(path)
        for words in unused(text)
    ]
    assert found == []


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Each string of a file that is no docstring, and the line where it begins."""
    begins = True
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            text = token.type in (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1))
            if text and not begins:
                yield token.start[0], token.string
            begins = token.type in _BEGINS


def test_an_option_says_what_it_does_its_unit_and_its_default() -> None:
    found = {
        f"{ctx.command_path} {option.opts[-1]}": wrong
        for ctx in contexts()
        for option in ctx.command.params
        if isinstance(option, click.Option) and (wrong := lacks(option, ctx))
    }
    assert found == {}


def lacks(option: click.Option, ctx: click.Context) -> str:
    """What the help of an option does not say, or ""."""
    record = option.get_help_record(ctx)
    if record is None:
        return "it is hidden"
    text = record[1]
    number = isinstance(option.type, _NUMBERS) and not (option.is_flag or option.count)
    default = option.default not in {None, False, "", ()} and "UNSET" not in repr(option.default)
    if not re.match(r"[A-Za-z].* .*[^\s]", text):
        return f"no sentence: {text!r}"
    if option.metavar == "S":
        return "no unit: SECONDS"
    if number and not option.metavar:
        return "no metavar: of what is it a number?"
    if option.metavar in _UNITS and not re.search(_UNITS[option.metavar], text):
        return f"no unit: {text!r}"
    shown = re.sub(r"\[(?!default)[^\[]*[<>]=?[^\[]*\]", "", text)  # without the range
    if default and not option.is_flag and "[" not in shown:
        return f"no default ({option.default}): {text!r}"
    return ", ".join(unused(text))


def test_a_list_of_commands_fits_a_terminal() -> None:
    """Of 80 columns; Click cuts what is longer."""
    lines = {
        f"  {name}  {command.get_short_help_str(limit=200)}"
        for ctx in contexts()
        if isinstance(ctx.command, click.Group) and ctx.parent
        for name, command in ((one.ljust(14), ctx.command.commands[one]) for one in ctx.command.commands)
    }
    assert [line for line in [*sorted(lines), *help_text().splitlines()] if len(line) > 80] == []


def test_summaries() -> None:
    found = {ctx.command_path: unused(ctx.command.help or "") for ctx in contexts()}
    assert {path: words for path, words in found.items() if words} == {}
