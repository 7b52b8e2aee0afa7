"""Options that several commands have."""

from collections.abc import Callable
from typing import Any

import click

from mailauth.cli.shared.given import CONTAINER
from mailauth.cli.shared.request import option, options_of
from mailauth.errors import UsageError
from mailauth.records import dataclass

config_option = click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="Dovecot's configuration file.  [doveconf's default]",
)
_FOUND = "mailauth.container.pid"


def _found(context: click.Context, _: click.Parameter, name: str | None) -> None:
    """Find the container's Dovecot; ``--pid`` takes it from there."""
    if name is not None and not context.resilient_parsing:
        from mailauth.dovecot.containers import dovecot_in  # noqa: PLC0415 - only with --container

        context.meta[_FOUND], context.meta[CONTAINER] = dovecot_in(name), name


def not_both(pid: object, container: object) -> None:
    """Raises UsageError where a Dovecot is named twice."""
    if pid is not None and container is not None:
        raise UsageError("--container and --pid both name a Dovecot: leave one out.")


def _pid(context: click.Context, _: click.Parameter, pid: Any) -> Any:
    found = context.meta.get(_FOUND)
    not_both(pid, found)
    return pid if found is None else found


def pid_option(
    command: Callable[..., Any],
    text: str = "PID of the running Dovecot master, on this machine or in a container.",
    kind: Any = int,
) -> Callable[..., Any]:
    """--pid, and --container in its place; the command is given ``pid``."""
    pid = click.option("--pid", type=kind, metavar="PID", help=text, callback=_pid)
    container = click.option(
        "--container",
        metavar="NAME",
        help="The Dovecot in this container (Docker, Podman, nerdctl, LXC, systemd-nspawn).",
        expose_value=False,
        is_eager=True,
        callback=_found,
    )
    return pid(container(command))


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where the user's password comes from: one of them at most."""

    ask_password: bool = option("-p", "--ask-password", is_flag=True, help="Ask for the user's password.")
    password_fd: int | None = option(
        "--password-fd", type=int, metavar="FD", help="Read the password from this file descriptor."
    )
    password_stdin: bool = option(
        "--password-stdin", is_flag=True, help="Read the password from standard input."
    )


password_options = options_of(PasswordSource)
"""What ``read_password`` is given: ask_password, password_fd, password_stdin."""

rows_query_option = click.option(
    "--rows-query",
    metavar="SQL",
    help="SELECT that lists all users and passwords, if Dovecot's own query does not show it.",
)
insecure_option = click.option(
    "--insecure", is_flag=True, help="Allow the password to go to another machine without verified TLS."
)
