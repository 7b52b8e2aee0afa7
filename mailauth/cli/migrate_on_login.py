"""``mailauth migrate on-login``: enable, disable, serve, unit, status."""

from functools import partial

import click

from mailauth.cli.migrate_options import (
    apply_option,
    bind_options,
    json_option,
    loss_option,
    scheme_options,
    users_out_option,
)
from mailauth.cli.shared.command import Command
from mailauth.cli.shared.options import config_option, pid_option
from mailauth.cli.shared.pictures import picture_option

_PORT = 340  # of no service, and below those that RPC takes for itself


name_option = click.option(
    "--name",
    default="",
    metavar="NAME",
    help="Name of this service, if several Dovecots of this machine have one; each needs its own port.",
)


@click.group("on-login")
def on_login() -> None:
    """Give each user a new hash at the next login.

    No password is reset.  After it has answered the client, Dovecot reports each login to a small service on
    loopback; the report has the password, encrypted by Dovecot itself.  The service verifies it against the
    row, makes the new hash, and writes it if the row is unchanged.  A fault in the service cannot make a
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
@bind_options
@name_option
@loss_option
@apply_option
@json_option
def enable() -> None:
    """Make Dovecot report its logins.  Shows the change; --apply makes it.

    Then run the service: mailauth migrate on-login serve, or by systemd (mailauth migrate on-login unit).

    In a directory the service writes as --bind-dn; the password is kept beside its other secrets.
    """


@on_login.command(cls=Command)
@config_option
@pid_option
@name_option
@apply_option
@json_option
def disable() -> None:
    """Stop Dovecot's reports; the new hashes stay.

    Takes on-login's settings out of Dovecot's configuration.
    """


@on_login.command(cls=Command)
@partial(pid_option, text="PID of Dovecot's master, if it is not the one that it was enabled for.")
@click.option(
    "--workers",
    "wanted",
    type=click.IntRange(1, 64),
    help="Hashes to make at the same time, if there is memory for them.  [one for each core]",
    metavar="N",
)
@name_option
def serve() -> None:
    """Run the service in the foreground, until SIGTERM or Ctrl-C.

    If the container of that Dovecot was restarted, give --container or --pid again.

    Exit status 2: on-login is not enabled, or its port is in use.
    """


@on_login.command(cls=Command)
@click.option("--socket", "holds", is_flag=True, help="Print the socket unit, which keeps the port.")
@name_option
def unit() -> None:
    """Print the service's systemd unit; with --socket, its socket.

    The socket unit keeps the port while the service is stopped.  Enable on-login first: the units contain
    its port, and the folders that the service may write.
    """


@on_login.command(cls=Command)
@name_option
@json_option
@click.option(
    "--rows",
    is_flag=True,
    help="Also read all rows, and count who is left by scheme; slow in a large store.",
)
@users_out_option
@picture_option("the progress day by day")
def status() -> None:
    """Show the progress, and when on-login may be disabled.

    Counts what happened after each report.  Without --rows it reads counters only, which is quick however
    large the store is; with --rows it also counts the users who have not logged in yet.  --users-out lists
    every user, and whether the row has the new scheme; it needs --rows.

    \b
    Exit status:  0 shown     1 --users-out could not list all passdbs
                  2 wrong usage     3 no store can be read
    """
