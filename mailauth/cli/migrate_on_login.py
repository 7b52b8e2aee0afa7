"""``mailauth migrate on-login``: enable, disable, serve, unit, status."""

import re
import secrets
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailauth import private
from mailauth.cli.migrate_loss import loss_option
from mailauth.cli.migrate_options import goal_options, scheme_options
from mailauth.cli.shared.options import config_option, pid_option
from mailauth.dovecot.doveadm import at_pid, chosen
from mailauth.errors import CannotObserve, Refused, UsageError

if TYPE_CHECKING:
    from mailauth.dovecot.doveadm import Installation
    from mailauth.fix.apply import Ending
    from mailauth.migrate.enable import Switch
    from mailauth.migrate.onlogin import OnLogin

_PORT = 340  # of no service, and below those that RPC takes for itself
_SETTINGS = "settings.json"
_TALLY = "tally.sqlite"
_SEEN = "seen"
_COUNTED = "counted.json"
_HOST = "127.0.0.1"

apply_option = click.option(
    "--apply", "do_it", is_flag=True, help="Write the changes.  Without it they are only shown."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
name_option = click.option(
    "--name",
    default="",
    metavar="NAME",
    help="Which one, where several Dovecots of a machine have one each; each has a --port of its own.",
)


@click.group("on-login")
def on_login() -> None:
    """Give each user a new hash at the next login, without a password reset.

    Dovecot reports each login, after it has answered the client, to a small service on loopback; the
    password is in the report, encrypted by Dovecot itself.  The service verifies it against the row, makes
    the new hash, and sets it where the row is still the same.  Nothing that goes wrong there can make a
    login fail.
    """


@on_login.command()
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
    help="Passwords longer than the old scheme reads (bcrypt 72 bytes, DES 8).",
)
@click.option(
    "--accept-unprivileged-port",
    "accept_port",
    is_flag=True,
    help="Take a --port that an ordinary user may take too: while the service is down, that user gets the"
    " token, and passwords that are sealed.",
)
@name_option
@loss_option
@apply_option
@json_option
def enable(
    config: str | None,
    pid: int | None,
    scheme: str,
    profile: str,
    cost: int | None,
    rounds: int | None,
    port: int,
    long_passwords: str,
    accept_port: bool,
    name: str,
    accept_loss: bool,
    do_it: bool,
    as_json: bool,
) -> None:
    """Make Dovecot report its logins.  Shows the change; --apply makes it.

    Then run the service: mailauth migrate on-login serve, or by systemd (mailauth migrate on-login unit).
    """
    from mailauth.dovecot.site import read_config  # noqa: PLC0415 - --help needs none of it
    from mailauth.hashes.making import length_of, must_fit  # noqa: PLC0415
    from mailauth.migrate import enable as switching  # noqa: PLC0415
    from mailauth.migrate import onlogin, sealed_password  # noqa: PLC0415
    from mailauth.migrate.service import order_for  # noqa: PLC0415
    from mailauth.migrate.serving import must_serve  # noqa: PLC0415
    from mailauth.migrate.writable import must_be_writable  # noqa: PLC0415

    dovecot = chosen(config, pid)
    found = read_config(dovecot)
    options = goal_options(scheme, profile, cost, rounds)
    settings = onlogin.OnLogin(
        key=sealed_password.new_key(),
        token=secrets.token_hex(16),
        nonce=sealed_password.new_key(),
        port=port,
        config=found.file,
        scheme=scheme.upper(),
        options=options,
        long_too=long_passwords == "as-typed",
        pid=dovecot.pid,
        accept_port=accept_port,
        accept_loss=accept_loss,
    )
    if why := onlogin.unfit(settings):
        raise Refused(f"{why}.")
    _must_be_alone(settings, folder(name))
    if not accept_loss:
        must_serve(dovecot, found, settings.goal)
    must_fit(order := order_for(dovecot, found, settings))
    for note in must_be_writable(dovecot, found, length_of(order)):
        click.echo(f"mailauth: note: {note}", err=True)
    switch = switching.to_enable(settings, found, dovecot)
    if not do_it:
        _show(switch, dovecot, as_json)
        return
    path = folder(name) / _SETTINGS
    _keep(path, onlogin.dump(settings))
    ending = switching.carry_out(switch, dovecot)
    if ending.problem:
        path.unlink(missing_ok=True)
    _told(ending, as_json, f"Now run: mailauth migrate on-login serve, or its units   (settings: {path})")


@on_login.command()
@config_option
@pid_option
@name_option
@apply_option
@json_option
def disable(config: str | None, pid: int | None, name: str, do_it: bool, as_json: bool) -> None:
    """Remove it from Dovecot's configuration; hashes that were migrated stay."""
    from mailauth.dovecot.site import read_config  # noqa: PLC0415
    from mailauth.migrate import enable as switching  # noqa: PLC0415

    dovecot = chosen(config, pid)
    switch = switching.to_disable(read_config(dovecot), dovecot)
    if not do_it:
        _show(switch, dovecot, as_json)
        return
    ending = switching.carry_out(switch, dovecot)
    if not ending.problem:
        (folder(name) / _SETTINGS).unlink(missing_ok=True)
    _told(ending, as_json, "The service has nothing to do any more; stop it.")


@on_login.command()
@partial(pid_option, text="PID of Dovecot's master, if it is not the one that it was enabled for.")
@name_option
def serve(pid: int | None, name: str) -> None:
    """Run the service in the foreground, until SIGTERM or Ctrl-C.

    --container, or --pid, is for a Dovecot in a container that was started again.

    Exit status 2 when it is not enabled, or its port is taken.
    """
    import msgspec  # noqa: PLC0415

    from mailauth.listening.repeats import Repeats  # noqa: PLC0415
    from mailauth.listening.sockets import listening  # noqa: PLC0415
    from mailauth.migrate.limits import Seen  # noqa: PLC0415
    from mailauth.migrate.onlogin import unfit  # noqa: PLC0415
    from mailauth.migrate.service import Service  # noqa: PLC0415
    from mailauth.migrate.tally import Tally  # noqa: PLC0415
    from mailauth.migrate.write import write  # noqa: PLC0415

    settings, own = _settings(name), folder(name)
    if pid is not None:
        settings = msgspec.structs.replace(settings, pid=at_pid(pid, settings.config).pid)
    elif settings.pid is not None:
        at_pid(settings.pid, settings.config)  # raises: another process has its number by now
    if why := unfit(settings):
        raise UsageError(f"{why}.")
    say = Repeats(lambda text: click.echo(text, err=True))
    service = Service(settings, Tally(own / _TALLY), write, say, Seen(own / _SEEN))
    listener = listening(_HOST, settings.port)
    click.echo(f"listening on {_HOST}:{settings.port}, to make {settings.scheme}", err=True)
    service.run(listener)


@on_login.command()
@click.option("--socket", "holds", is_flag=True, help="Print the socket unit, which holds the port.")
@name_option
def unit(holds: bool, name: str) -> None:
    """Print the systemd unit of the service, or with --socket that of its socket.

    The socket unit holds the port also while the service is stopped.  Enable on-login first: the units have
    its port, and the folders that the service may write.
    """
    from mailauth.migrate.units import service_unit, socket_unit  # noqa: PLC0415

    settings = _settings(name)
    program = str(Path(sys.argv[0]).resolve())
    click.echo(socket_unit(settings, name) if holds else service_unit(settings, program, name), nl=False)


@on_login.command()
@name_option
@json_option
@click.option(
    "--rows", is_flag=True, help="Read all rows too: who is left, by scheme.  Takes long in a large store."
)
@click.option(
    "--png", type=click.Path(dir_okay=False), help="Also draw the progress to this PNG file.", metavar="FILE"
)
def status(name: str, as_json: bool, rows: bool, png: str | None) -> None:
    """Show the progress: what became of every report, and when it may end; with --rows, who is left.

    Without --rows it is from counters alone, and takes no longer in a large store.
    """
    from mailauth.migrate.onlogin import unfit  # noqa: PLC0415
    from mailauth.migrate.progress import by_counters, by_rows, to_keep  # noqa: PLC0415
    from mailauth.migrate.tally import Tally  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415
    from mailauth.render.progress import draw, progress_text  # noqa: PLC0415

    settings, own = _settings(name), folder(name)
    if why := unfit(settings):
        click.echo(f"The service does not run so: {why}.", err=True)
    tally = Tally(own / _TALLY)
    found = by_rows(settings, tally) if rows else by_counters(settings, tally, own / _COUNTED)
    if rows:
        _keep(own / _COUNTED, to_keep(found))
    if png:
        draw(found, Path(png))
    click.echo(to_json(found) if as_json else progress_text(found), nl=as_json)


def folder(name: str = "") -> Path:
    """Where a service's settings and counts are.  Raises UsageError when it cannot be made."""
    from mailauth.fix.journal import folder as journals  # noqa: PLC0415

    if name and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise UsageError(f"--name {name}: up to 31 small letters, digits and hyphens.")
    path = journals().parent / "on-login" / name
    try:
        private.make(path)
    except OSError as why:
        raise UsageError(f"{path}: cannot be made ({why.strerror}); run this as root.") from None
    return path


def _must_be_alone(settings: "OnLogin", own: Path) -> None:
    """Raises Refused where another Dovecot has this name, or this port, already."""
    from mailauth.migrate.onlogin import load  # noqa: PLC0415

    for path in (folder() / _SETTINGS, *sorted(folder().glob(f"*/{_SETTINGS}"))):
        try:
            other = load(path)
        except (OSError, ValueError):
            continue
        same = (other.config, other.pid) == (settings.config, settings.pid)
        if path.parent == own and not same:
            raise Refused(
                f"on-login is enabled for {other.config} already ({path}): give this Dovecot another --name"
                " and --port; or remove that file, if that Dovecot is gone."
            )
        if path.parent != own and other.port == settings.port:
            raise Refused(
                f"port {other.port} is that of the on-login of {other.config} ({path}): choose another."
            )


def _settings(name: str = "") -> "OnLogin":
    from mailauth.migrate.onlogin import load  # noqa: PLC0415

    path = folder(name) / _SETTINGS
    try:
        return load(path)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: on-login is not enabled; run: mailauth migrate on-login enable --apply"
        ) from None
    except (OSError, ValueError) as why:
        raise UsageError(f"{path}: cannot be read ({why}); disable and enable on-login again.") from None


def _keep(path: Path, content: bytes) -> None:
    from mailauth.check.keep import replace_whole  # noqa: PLC0415 - --help needs none of it

    try:
        replace_whole(path, content, 0o600)
    except OSError as why:
        raise CannotObserve(f"{path}: cannot be written ({why.strerror}).") from None


def _show(switch: "Switch", dovecot: "Installation", as_json: bool) -> None:
    from mailauth.dovecot import typed  # noqa: PLC0415
    from mailauth.fix.patch import diff  # noqa: PLC0415
    from mailauth.render.json import to_json  # noqa: PLC0415

    diffs = [diff(change) for change in switch.plan.files]
    commands = [typed.shown(dovecot, *one) for one in switch.plan.commands]
    secret = [f"{path} ({'root only' if text else 'taken away'})" for path, text in switch.secret.items()]
    if as_json:
        click.echo(to_json({"diffs": diffs, "files": secret, "commands": commands}))
        return
    parts = [*diffs, *(f"{path} (root only):\n{_indented(text)}" for path, text in switch.shown.items())]
    parts += [f"{path} (taken away)" for path, text in switch.secret.items() if not text]
    click.echo("\n".join([*parts, f"then: {', '.join(commands)}"]))
    click.echo("Nothing was changed; --apply does it.")


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


def _told(ending: "Ending", as_json: bool, after: str) -> None:
    from mailauth.render.json import to_json  # noqa: PLC0415

    if as_json:
        click.echo(to_json({"id": ending.id, "state": ending.state.value, "problem": ending.problem}))
    else:
        for step in ending.steps:
            click.echo(f"{'ok  ' if step.ok else 'FAIL'}  {step.what}{f': {step.said}' if step.said else ''}")
        click.echo(after if not ending.problem else f"{ending.state.value}: {ending.problem}")
    if ending.problem:
        sys.exit(130 if ending.interrupted else 1)
