"""``mailauth explain CODE``: what a finding, a message of the log or a client's words mean."""

import click

from mailauth.cli.shared.command import Command
from mailauth.cli.shared.completing import codes


class _Pasted(Command):
    """What a client says may begin with a dash: ``-ERR [AUTH] ...`` is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As Click does it; a word with a blank in it is never an option."""
        if "--" not in args and any(one.startswith("-") and " " in one for one in args):
            options = [one for one in args if one.startswith("-") and " " not in one and one != "-"]
            args = [*options, "--", *(one for one in args if one not in options)]
        return super().parse_args(ctx, args)


@click.command(cls=_Pasted)
@click.argument("words", nargs=-1, metavar="[CODE|WORDS...]", shell_complete=codes)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain() -> None:
    """Explain a finding, a message of Dovecot's log, or what a mail client shows.

    CODE names a finding, such as MEM001: symptom, cause, evidence, remedy.
    WORDS are a line of the log, a part of it, or a word: what it means, which findings it can stand for, and
    the command that finds out which; "-" reads the line from standard input.
    Without arguments, list all findings.
    """
