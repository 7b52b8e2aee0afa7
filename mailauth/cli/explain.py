"""``mailauth explain CODE``: what a finding means."""

import click

from mailauth.cli.shared.command import Command


@click.command(cls=Command)
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain() -> None:
    """Explain a finding: symptom, cause, evidence, remedy.

    Without CODE, list all of them.
    """
