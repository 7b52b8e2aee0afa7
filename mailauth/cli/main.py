"""The Click group: commands are imported when called, errors become one sentence and an exit status."""

import errno
import importlib
import io
import os
import resource
import shlex
import sys
from typing import TYPE_CHECKING

import click

from mailauth.cli import homes, streams
from mailauth.cli.commands import COMMANDS, help_text, modern, version_text
from mailauth.errors import AS_ROOT, CannotObserve, MailauthError, Refused
from mailauth.oserrors import ended, place_of
from mailauth.visible import with_bytes

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

BUG = 70
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for name, place, _ in COMMANDS:
            if name == cmd_name:
                module, _, attribute = place.partition(":")
                command: click.Command = getattr(importlib.import_module(module), attribute)
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As Click does it; old spellings go to the new command, unknown names get a suggestion."""
        args, renamed = modern(args)
        if renamed and not ctx.resilient_parsing:
            click.echo(f"mailauth: {renamed}", err=True)
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415 - only for a typing error

            near = get_close_matches(name, self.list_commands(ctx), 1)
            hint = f"did you mean mailauth {near[0]}?" if near else "mailauth --help lists the commands."
            if name == "help":
                hint = f"did you mean {shlex.join(['mailauth', *args[1:], '--help'])}?"
            raise click.UsageError(f"there is no command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Names come from the table, so that no command is imported while a shell waits."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for a shell

        found = [CompletionItem(name, help=text) for name, _, text in COMMANDS if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002
        return help_text().rstrip("\n")


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(version_text(), nl=False)
        ctx.exit()


@click.group(
    cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Find out why a Dovecot login fails."""
    if ctx.invoked_subcommand is None:
        from mailauth.cli.this_machine import show  # noqa: PLC0415 - only where no command is given

        show()


def _keep_secrets() -> None:
    """No core file and no other process of this user gets what is in our memory.

    A core that is piped to a program asks for no limit: core(5).
    """
    from mailauth.dovecot.confining import hide  # noqa: PLC0415 - who completes a line needs none of it

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hide()


def run() -> None:
    """Run, and exit with the documented status.  A bug shows where, never with which values."""
    streams.guard()
    homes.keep_own()
    # A shell waits for names, which is all that it is told; a command's help, asked for alone, reads nothing.
    if not os.environ.get("_MAILAUTH_COMPLETE") and sys.argv[2:] != ["--help"]:
        _keep_secrets()
    try:
        status = cli.main(prog_name="mailauth", standalone_mode=False)
    except click.exceptions.Exit as done:
        status = done.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("mailauth: interrupted.", err=True)
        status = 130
    except click.ClickException as wrong:
        usage = io.StringIO()
        wrong.show(usage)
        click.echo(with_bytes(usage.getvalue()), nl=False, err=True)
        status = 2
    except MailauthError as known:
        command = f"run: {shlex.join(['sudo', 'mailauth', *modern(sys.argv[1:])[0]])}"
        click.echo(f"mailauth: {with_bytes(str(known)).replace(AS_ROOT, command)}", err=True)
        status = 3 if isinstance(known, CannotObserve) else 1 if isinstance(known, Refused) else 2
    except BrokenPipeError:
        # The reader went away (| head): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except Exception as bug:  # noqa: BLE001 - the last resort, and said to be one
        if isinstance(bug, OSError) and bug.errno in _FULL and bug.filename is None:
            told, status = f"what was found cannot be written ({bug.strerror}).", 3
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        elif gone := ended(bug):
            told, status = f"{gone}; run it again.", 3
        else:
            place = f"{type(bug).__name__} at {place_of(bug)}"
            told, status = f"a bug: {place}; please report this line and the command.", BUG
        click.echo(f"mailauth: {told}", err=True)
    sys.exit(status if isinstance(status, int) else 0)
