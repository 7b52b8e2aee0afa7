"""What ``explain`` says of words, and of all findings: what needs the rules themselves."""

import re
from datetime import datetime

import click

from mailauth.cli.shared.output import width
from mailauth.errors import UsageError
from mailauth.finding import Rule
from mailauth.meaning import meaning_of, nearest, rule_called
from mailauth.render.json import to_json
from mailauth.render.meaning import meaning_text
from mailauth.rules import RULES

_CODE = re.compile(r"[A-Za-z]{2,8}[0-9]{1,4}")


def explain(text: str, as_json: bool) -> None:
    if not text:
        _list(as_json)
    elif found := rule_called(text):
        _rule(found, as_json)
    elif _CODE.fullmatch(text):
        near = nearest(text)
        hint = f"did you mean {near}?" if near else "mailauth explain lists them."
        raise UsageError(f"there is no rule {text!r}; {hint}")
    elif meaning := meaning_of(text, datetime.now().astimezone()):
        click.echo(to_json(meaning) if as_json else meaning_text(meaning, width()), nl=as_json)
    else:
        near = nearest(text)
        hint = (
            f"did you mean {near!r}?" if near else "give more of the line, or see mailauth explain for all."
        )
        raise UsageError(f"these words are in no message and in no finding that mailauth knows; {hint}")


def _list(as_json: bool) -> None:
    if as_json:
        click.echo(to_json([{"code": r.code, "title": r.title} for r in RULES]))
        return
    for rule in RULES:
        click.echo(f"{rule.code}  {rule.title}")


def _rule(found: Rule, as_json: bool) -> None:
    if as_json:
        told = {
            "code": found.code,
            "title": found.title,
            "severity": found.severity.value,
            "explanation": found.explanation,
        }
        click.echo(to_json(told))
        return
    first, _, rest = found.explanation.partition("\n")
    click.echo(f"{found.code}  {found.title}  ({found.severity.value})\n\n{first}\n{rest}")
