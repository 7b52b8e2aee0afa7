"""``mailauth memory``: what a hash costs, and whether it fits.  Commands are imported when called."""

import importlib

import click

_COMMANDS = (
    # name, module, what it does
    ("show", "mailauth.cli.memory_show", "Show the memory that verifying a hash needs."),
    ("fit", "mailauth.cli.memory_fit", "Check whether the hashes in the store fit into vsz_limit."),
    ("recommend", "mailauth.cli.memory_recommend", "Recommend the strongest Argon2id for this machine."),
    ("bench", "mailauth.cli.memory_bench", "Measure memory and time of many hashes on this machine."),
)


class _Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return [name for name, _, _ in _COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for name, module, _ in _COMMANDS:
            if name == cmd_name:
                command: click.Command = importlib.import_module(module).command
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As Click does it; unknown names get a suggestion, which Click takes from imported commands only."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # noqa: PLC0415 - only for a typing error

            near = get_close_matches(name, known, 1)
            hint = f"did you mean mailauth memory {near[0]}?" if near else f"give one of {', '.join(known)}."
            raise click.UsageError(f"there is no command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, _, text in _COMMANDS])


@click.group(cls=_Commands)
def memory() -> None:
    """Measure what a hash costs a mail server, and whether it fits into vsz_limit."""
