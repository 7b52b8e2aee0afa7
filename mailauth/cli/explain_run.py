"""What ``explain`` does; its options are in ``explain.py``."""

import click

from mailauth.errors import UsageError
from mailauth.render.json import to_json
from mailauth.rules import RULES


def explain(code: str | None, as_json: bool) -> None:
    if code is None:
        if as_json:
            click.echo(to_json([{"code": r.code, "title": r.title} for r in RULES]))
        else:
            for rule in RULES:
                click.echo(f"{rule.code}  {rule.title}")
        return
    found = next((rule for rule in RULES if rule.code == code.upper()), None)
    if found is None:
        raise UsageError(f"there is no rule {code!r}; mailauth explain lists them.")
    if as_json:
        click.echo(
            to_json(
                {
                    "code": found.code,
                    "title": found.title,
                    "severity": found.severity.value,
                    "explanation": found.explanation,
                }
            )
        )
        return
    first, _, rest = found.explanation.partition("\n")
    click.echo(f"{found.code}  {found.title}  ({found.severity.value})\n\n{first}\n{rest}")
