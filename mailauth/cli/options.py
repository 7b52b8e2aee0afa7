"""Options that several commands have."""

from collections.abc import Callable
from typing import Any

import click

config_option = click.option(
    "-c", "--config", metavar="FILE", help="Dovecot's configuration file, if not its default."
)
pid_option = click.option(
    "--pid", type=int, metavar="PID", help="A running Dovecot master, also in a container."
)
_PASSWORD = (
    click.option("-p", "--ask-password", is_flag=True, help="Ask for the user's password."),
    click.option("--password-fd", type=int, metavar="FD", help="Read the password from this descriptor."),
    click.option("--password-stdin", is_flag=True, help="Read the password from standard input."),
)


def password_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What ``read_password`` is given: ask_password, password_fd, password_stdin."""
    for option in reversed(_PASSWORD):
        command = option(command)
    return command
