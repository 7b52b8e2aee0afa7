"""``mailauth migrate on-login``: enable, disable, serve, unit, status."""

from functools import partial

import click

from mailauth.cli.migrate_options import apply_option, json_option, loss_option, scheme_options
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option

_PORT = 340  # of no service, and below those that RPC takes for itself


name_option = click.option(
    "--name",
    default="",
    metavar="NAME",
    help="Name of this service, where several Dovecots of a machine have one each, on ports of their own.",
)


@click.group("on-login")
def on_login() -> None:
    """Give each user a new hash at the next login, without a password reset.

    Dovecot reports each login, after it has answered the client, to a small service on loopback; the
    password is in the report, encrypted by Dovecot itself.  The service verifies it against the row, makes
    the new hash, and sets it where the row is still the same.  Nothing that goes wrong there can make a
    login fail.
    """


@on_login.command(cls=Command)
@config_option
@pid_option
@scheme_options
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=_PORT,
    show_default=True,
    help="Port on 127.0.0.1 that the service listens on.",
    metavar="PORT",
)
@click.option(
    "--long-passwords",
    type=click.Choice(["leave", "as-typed"]),
    default="leave",
    show_default=True,
    help="What to do where a password is longer than the old scheme reads (bcrypt 72 bytes, DES 8).",
)
@click.option(
    "--accept-unprivileged-port",
    "accept_port",
    is_flag=True,
    help="Allow a --port that any user of the machine may open: while the service is down, that user could"
    " receive its token, and passwords, encrypted.",
)
@name_option
@loss_option
@apply_option
@json_option
def enable() -> None:
    """Make Dovecot report its logins.  Shows the change; --apply makes it.

    Then run the service: mailauth migrate on-login serve, or by systemd (mailauth migrate on-login unit).
    """


@on_login.command(cls=Command)
@config_option
@pid_option
@name_option
@apply_option
@json_option
def disable() -> None:
    """Remove it from Dovecot's configuration; hashes that were migrated stay."""


@on_login.command(cls=Command)
@partial(pid_option, text="PID of Dovecot's master, if it is not the one that it was enabled for.")
@click.option(
    "--workers",
    "wanted",
    type=click.IntRange(1, 64),
    help="Hashes that are made at once, as far as there is memory.  [one for each core]",
    metavar="N",
)
@name_option
def serve() -> None:
    """Run the service in the foreground, until SIGTERM or Ctrl-C.

    Give --container or --pid again where the container of that Dovecot was restarted.

    Exit status 2 when it is not enabled, or its port is taken.
    """


@on_login.command(cls=Command)
@click.option("--socket", "holds", is_flag=True, help="Print the socket unit, which holds the port.")
@name_option
def unit() -> None:
    """Print the systemd unit of the service, or with --socket that of its socket.

    The socket unit holds the port also while the service is stopped.  Enable on-login first: the units have
    its port, and the folders that the service may write.
    """


@on_login.command(cls=Command)
@name_option
@json_option
@click.option(
    "--rows", is_flag=True, help="Read all rows too: who is left, by scheme.  Takes long in a large store."
)
@click.option(
    "--png", type=click.Path(dir_okay=False), help="Also draw the progress to this PNG file.", metavar="FILE"
)
def status() -> None:
    """Show the progress: what became of every report, and when it may end; with --rows, who is left.

    Without --rows it is from counters alone, and takes no longer in a large store.
    """
